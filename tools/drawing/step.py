"""A training step as the flow of data: views, students, one soft target, losses, one update."""

from __future__ import annotations

import pathlib

from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from drawing import style

ALT = (
    "A training step, from left to right. One image is distorted twice, and each of two students "
    "sees a view of its own and gives logits. All logits and the label make one soft target. Each "
    "student learns from the label by cross-entropy, and from the soft target by a distillation "
    "loss weighted with lambda times T squared. No gradient flows through the soft target. "
    "Afterwards each student is served alone."
)

_HEIGHT = 0.42
_ROWS = (1.9, 0.5)
_MIDDLE = 1.2


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    figure, ((axes,),) = style.new(2.9)
    axes.set(xlim=(0, 8), ylim=(0, 2.6))
    style.without_axes(axes)
    _box(axes, 0.55, _MIDDLE, 0.95, "image\nand label")
    for number, y in enumerate(_ROWS, 1):
        _box(axes, 1.95, y, 1.0, f"view {number}")
        _box(axes, 3.4, y, 1.1, f"student {number}", strong=True)
        _box(axes, 4.85, y, 0.95, f"logits {number}")
        _box(axes, 6.95, y, 1.75, "cross-entropy of label\n+ λT² · distillation")
        _arrow(axes, (1.03, _MIDDLE), (1.45, y))
        _arrow(axes, (2.45, y), (2.85, y))
        _arrow(axes, (3.95, y), (4.37, y))
        _arrow(axes, (5.33, y), (6.07, y))
        # The logits make the soft target, which teaches both students.
        edge = _MIDDLE + (_HEIGHT / 2 if y > _MIDDLE else -_HEIGHT / 2)
        near = y - _HEIGHT / 2 if y > _MIDDLE else y + _HEIGHT / 2
        _arrow(axes, (4.85, near), (5.35, edge))
        _arrow(axes, (6.35, edge), (6.75, near), dashed=True)
    _box(axes, 5.85, _MIDDLE, 1.3, "soft target", dark=True)
    _arrow(axes, (1.03, _MIDDLE), (5.2, _MIDDLE), quiet=True)
    axes.text(3.0, _MIDDLE + 0.06, "label", color=style.QUIET, ha="center", fontsize=9)
    axes.text(
        7.95, _MIDDLE, "then one update\nof all students", ha="right", va="center", fontsize=9
    )
    axes.text(
        4.0, 2.45, "One step of a cohort of two students", ha="center", fontsize=11, weight="bold"
    )
    axes.text(
        4.0,
        0.02,
        "dashed: no gradient flows back",
        ha="center",
        va="bottom",
        fontsize=9,
        color=style.QUIET,
    )
    style.save(figure, path)


def _box(axes, x, y, width, text, strong=False, dark=False):
    fill = style.INK if dark else "#dbeaf5" if strong else style.PAPER
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - _HEIGHT / 2),
            width,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.07",
            facecolor=fill,
            edgecolor=style.BLUE if strong else style.INK,
            linewidth=2.0 if strong else 1.0,
        )
    )
    colour = style.PAPER if dark else style.INK
    axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=9.5, linespacing=1.05)


def _arrow(axes, start, end, dashed=False, quiet=False):
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=10,
            shrinkA=0,
            shrinkB=1,
            color=style.QUIET if quiet else style.INK,
            linewidth=1.0 if quiet else 1.3,
            linestyle=(0, (4, 2.5)) if dashed else "-",
            zorder=0.5,
        )
    )
