"""The picture of a run: accuracy of each student by epoch."""

import os
import pathlib

_COLOURS = ("#1f6feb", "#d1572a", "#2a9d5c", "#8a4fbf", "#b8860b", "#5f6b7a")


def plot_accuracy(log, students, path, title):
    """Writes a PNG: test accuracy as lines, training accuracy faint behind it.

    Args:
      log: dicts an epoch, as in `log.jsonl`.
      students: names.
      path: of the PNG, replaced in one rename.
      title: above the axes.
    """
    # Imported here because only the end of a run draws.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for index, student in enumerate(students):
        colour = _COLOURS[index % len(_COLOURS)]
        _draw(axes, log, f"{student}_accuracy", color=colour, alpha=0.35, linewidth=1)
        _draw(axes, log, f"test_{student}_accuracy", color=colour, label=student, marker=".")
    axes.set(title=title, xlabel="epoch", ylabel="accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(title="test (faint: training)")
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    figure.savefig(partial, format="png", dpi=120)
    pyplot.close(figure)
    os.replace(partial, path)


def _draw(axes, log, key, **style):
    points = [(record["epoch"], 100 * record[key]) for record in log if key in record]
    axes.plot(*zip(*points), **style)
