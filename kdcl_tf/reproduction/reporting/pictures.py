"""The charts of a report as PNG files, for places that show no HTML."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from kdcl_tf.files import figures
from kdcl_tf.reproduction.reporting import charts


def write(
    path: pathlib.Path,
    groups: Sequence[tuple[str, Sequence[charts.Series]]],
    x_label: str,
    y_label: str,
    scale: str,
) -> None:
    """Draws charts side by side into one PNG file.

    Args:
      path: the file to write.
      groups: `(heading, series)` of each chart.
      x_label, y_label: the names of the axes, with units.
      scale: the name of the scale, which every heading says.
    """
    figure, axes = figures.new(6.5 * len(groups), 5.2, columns=len(groups))
    for place, (heading, series) in zip(axes, groups):
        for each in (each for each in series if each.points):
            place.plot(
                *zip(*each.points),
                label=each.label,
                color=figures.COLOURS[each.colour],
                linestyle=(0, charts.DASHES[each.dash]) if each.dash else "-",
                linewidth=2.6 if each.heavy else 1.3,
                marker=each.marker or None,
                markevery=[each.points.index(mark) for mark in each.marks],
                markersize=4,
            )
        place.set(title=f"{heading} ({scale} scale)", xlabel=x_label, ylabel=y_label)
    # One legend for all charts: some lines are in one chart only, such as those of a method
    # that reports one student.
    handles: dict[str, Any] = {}
    for place in axes:
        for handle, label in zip(*place.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=4,
            fontsize=9,
            handlelength=4.5,
        )
    figures.save(figure, path, dpi=100)
