"""What every method gains its students, seed by seed."""

from __future__ import annotations

import pathlib

from drawing import style
from drawing.evidence import evidence
from kdcl_tf.reproduction.reporting import statistics

ALT = (
    "A chart with a line for each method and a panel for each student: the gain in test accuracy "
    "over the same student trained alone, a marker for each seed. Where there are three seeds, a "
    "bar shows the 95 % interval of the mean. A vertical line marks no gain."
)


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    found = evidence()
    records, rows = found.subject.records, found.gaining
    figure, (axes,) = style.new(1.3 + 0.3 * len(rows), columns=2, sharey=True)
    for column, place in enumerate(axes):
        _panel(place, records, rows, column, found.seeds(rows))
        place.set_title(found.subject.columns[column])
        place.set_xlabel("gain over training alone (percentage points)")
    axes[0].set_yticks(range(len(rows)), [row.full_label for row in rows])
    axes[0].set(ylim=(len(rows) - 0.4, -0.6))
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(f"Gains by seed ({found.title})", fontsize=11)
    style.save(figure, path)


def _panel(axes, records, rows, column, seeds):
    """One student's gains; `seeds` are those of all panels, so that a seed looks alike in each."""
    axes.axvline(0, color=style.INK, linewidth=1.0)
    axes.grid(axis="x", alpha=0.3)
    for place, row in enumerate(rows):
        if records.is_teacher(row, column):
            continue
        gains = records.gains(row, column)
        ends = statistics.interval(gains.values())
        if ends:
            axes.plot(ends, [place, place], color=style.QUIET, linewidth=4, alpha=0.45, zorder=1,
                      label="_", solid_capstyle="butt")  # fmt: skip
    for number, seed in enumerate(seeds):
        points = [
            (records.gains(row, column)[seed], place)
            for place, row in enumerate(rows)
            if seed in records.gains(row, column) and not records.is_teacher(row, column)
        ]
        axes.plot(
            *zip(*points),
            linestyle="none",
            marker=style.MARKERS[number],
            markersize=7,
            markerfacecolor=style.COLOURS[number % len(style.COLOURS)],
            markeredgecolor=style.INK,
            label=f"seed {seed}",
            zorder=2,
        )
