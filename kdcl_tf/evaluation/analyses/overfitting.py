"""Training against test accuracy: how far a student overfits (paper section 4.2)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kdcl_tf import data
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses.analysis import Analysis
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


def analyse(
    students: Sequence[loaded.LoadedStudent],
    datasets: Mapping[str, data.ImageDataset],
    batch_size: int,
) -> Analysis:
    """Accuracy on the images trained on, without distortion, and on test images.

    Args:
      students: to compare.
      datasets: `{name: data set}`, each student's own.
      batch_size: images at a time.
    """
    results = {}
    for each in students:
        dataset = datasets[each.name]
        accuracies = {
            name: loaded.score(each.predict, split, batch_size)["top_1"]
            for name, split in (("train", dataset.train), ("test", dataset.test))
        }
        # What could not be decoded was left out just now.
        images = len(dataset.train) - dataset.train.num_bad
        results[each.name] = {**accuracies, "train_images": images}
    width = max(len("student"), *map(len, results))
    lines = [f"{'student':{width}}    train     test      gap  training images"]
    lines += [
        f"{name:{width}}  {each['train']:7.2%}  {each['test']:7.2%}  "
        f"{100 * (each['train'] - each['test']):+7.2f}  {each['train_images']:15d}"
        for name, each in results.items()
    ]
    return Analysis(results, "\n".join(lines), lambda path: plot(results, path))
