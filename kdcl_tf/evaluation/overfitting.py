"""Training against test accuracy: how far a student overfits (paper section 4.2)."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from kdcl_tf.files import figures


def plot(results: Mapping[str, Mapping[str, float]], path: str | os.PathLike) -> None:
    """Draws bars of the two accuracies of each student.

    Args:
      results: `{name: {"train": accuracy in 0..1, "test": the same}}`.
      path: of the PNG.
    """
    figure, (axes,) = figures.new(max(6, 1.2 * len(results)), 5)
    places = np.arange(len(results))
    for offset, split, colour in ((-0.2, "train", 8), (0.2, "test", 1)):
        heights = [100 * each[split] for each in results.values()]
        bars = axes.bar(places + offset, heights, 0.4, label=split, color=figures.COLOURS[colour])
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
    axes.set_xticks(places, list(results), rotation=30, ha="right")
    axes.set(ylabel="top-1 accuracy (%)", title="Accuracy on training and on test images")
    axes.legend()
    figures.save(figure, path)
