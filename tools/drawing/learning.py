"""Learning curves of both students, alone and in a cohort: test and training accuracy."""

from __future__ import annotations

import pathlib

from drawing import style
from drawing.evidence import evidence
from kdcl_tf.reproduction.reporting import statistics

ALT = (
    "A panel for each student: accuracy by epoch, alone and in a cohort. Thick lines with markers "
    "are test accuracy, thin ones training accuracy. The student in the cohort is behind on its "
    "training images; on test images the end of each pair of lines shows what the cohort gains it."
)


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    found = evidence()
    subject, row = found.subject, found.best()
    baseline, seeds = subject.table.baseline_of(row), found.seeds([row])
    figure, (axes,) = style.new(3.6, columns=2, sharey=True)
    looks = (
        (baseline, "alone", style.INK, "-", "o"),
        (row, f"in a cohort ({row.full_label})", style.VERMILION, "--", "s"),
    )
    for column, place in enumerate(axes):
        for each, label, colour, line, marker in looks:
            test = _curve(subject, each, column, "test_{}_accuracy", seeds)
            training = _curve(subject, each, column, "{}_accuracy", seeds)
            place.plot(*training, color=colour, linewidth=0.8, linestyle=line,
                       label=f"training, {label}")  # fmt: skip
            place.plot(*test, color=colour, linewidth=2.2, linestyle=line, marker=marker,
                       markersize=5, label=f"test, {label}")  # fmt: skip
        place.set(xlabel="epoch", title=subject.columns[column], ylim=(0, 100))
        place.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(f"Learning curves ({found.title_of([row])})", fontsize=11)
    style.save(figure, path)


def _curve(subject, row, column, key, seeds):
    """Epochs and percentages, the median over these seeds, the same ones for both curves."""
    curves = subject.records.curves(row, column, key)
    curve = statistics.median_curve(curves[seed] for seed in seeds)
    return [epoch for epoch, _ in curve], [100 * value for _, value in curve]
