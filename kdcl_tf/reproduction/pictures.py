"""The report's charts as PNG, for places that show no HTML."""

import io
import os
import pathlib

_COLOURS = (
    "#1d1f21", "#1f6fb2", "#c2541b", "#2a8a57", "#8a4fa8", "#9a7a0a", "#16879a", "#c03a66", "#6b7280",
)  # fmt: skip


def write(path, groups, x_label, y_label, scale):
    """Writes charts side by side, replacing the file in one rename.

    Args:
      path: of the PNG.
      groups: `[(heading, charts.Series)]`, a chart each.
      x_label, y_label: with units.
      scale: named in every heading.
    """
    # Imported here because only the end of a reproduction draws.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(groups), figsize=(6.5 * len(groups), 5.2), layout="constrained", squeeze=False
    )
    for place, (heading, series) in zip(axes[0], groups):
        for each in (each for each in series if each.points):
            place.plot(
                *zip(*each.points),
                label=each.label,
                color=_COLOURS[each.colour],
                linestyle="--" if each.dashed else "-",
                linewidth=2.6 if each.heavy else 1.3,
            )
        place.set(title=f"{heading} ({scale} scale)", xlabel=x_label, ylabel=y_label)
        place.grid(alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    pyplot.close(figure)
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(image.getvalue())
    os.replace(partial, path)
