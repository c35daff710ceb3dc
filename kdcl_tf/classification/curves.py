"""The picture of a run: accuracy of each student by epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kdcl_tf.files import figures


def plot_accuracy(
    log: Sequence[Mapping[str, Any]], students: Iterable[str], path: str | os.PathLike, title: str
) -> None:
    """Writes a PNG: test accuracy as lines, training accuracy faint behind it.

    Args:
      log: dicts an epoch, as in `log.jsonl`.
      students: names.
      path: of the PNG, replaced in one rename.
      title: above the axes.
    """
    figure, (axes,) = figures.new(8, 5)
    colours = figures.COLOURS[1:]
    for index, student in enumerate(students):
        colour = colours[index % len(colours)]
        _draw(axes, log, f"{student}_accuracy", color=colour, alpha=0.35, linewidth=1)
        _draw(axes, log, f"test_{student}_accuracy", color=colour, label=student, marker=".")
    axes.set(title=title, xlabel="epoch", ylabel="accuracy (%)")
    axes.legend(title="test (faint: training)")
    figures.save(figure, path)


def _draw(axes, log, key, **style):
    points = [(record["epoch"], 100 * record[key]) for record in log if key in record]
    axes.plot(*zip(*points), **style)
