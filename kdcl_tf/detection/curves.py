"""The picture of a detector's run: its losses and COCO's figures by epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.files import figures

_FIGURES = {
    "test_box_ap": "box AP",
    "test_box_ap50": "box AP50",
    "test_mask_ap": "mask AP",
    "test_mask_ap50": "mask AP50",
}


def plot(log: Sequence[Mapping[str, Any]], path: str | os.PathLike, title: str) -> None:
    """Writes a PNG of two charts side by side.

    Args:
      log: a record of each epoch, as in `log.jsonl`.
      path: of the PNG, replaced in one rename.
      title: above the charts.
    """
    figure, (losses, scores) = figures.new(11, 4.5, columns=2)
    names = [name for name in log[0] if name == "loss" or name.endswith("_loss")]
    for colour, name in zip(figures.COLOURS, names):
        _draw(losses, log, name, name.replace("_", " "), 1, color=colour)
    for colour, (name, label) in zip(figures.COLOURS[1:], _FIGURES.items()):
        _draw(scores, log, name, label, 100, color=colour, marker=".")
    losses.set(xlabel="epoch", ylabel="loss", yscale="log")
    scores.set(xlabel="epoch", ylabel="%", ylim=(0, 100))
    for axes in (losses, scores):
        axes.legend()
    figure.suptitle(title)
    figures.save(figure, path)


def _draw(axes, log, name, label, factor, **style):
    points = [(each["epoch"], factor * each[name]) for each in log if each.get(name) is not None]
    if points:
        axes.plot(*zip(*points), label=label, **style)
