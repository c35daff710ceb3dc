"""Accuracy by category: where the weaker of two students is the better one (paper Fig. 3)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses.analysis import Analysis, listed
from kdcl_tf.files import figures
from kdcl_tf.objectives.scores import hits

_SHOWN = 12


def accuracy_by_category(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Top-1 accuracy of the images of each class.

    Args:
      logits: `[N, C]`.
      labels: `[N]` classes.

    Returns:
      `[C]` in 0..1, NaN for a class without an image.
    """
    logits, labels = np.asarray(logits), np.asarray(labels)
    classes = logits.shape[1]
    correct = np.bincount(labels, weights=hits(logits, labels), minlength=classes)
    images = np.bincount(labels, minlength=classes)
    return np.divide(correct, images, out=np.full(classes, np.nan), where=images > 0)


def compare(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """Compares two students' accuracies by category.

    Args:
      first, second: `[C]`, from `accuracy_by_category`.

    Returns:
      `{"first_better", "second_better", "equal"}`, numbers of classes, and `"difference"`,
      `[C]`, second minus first.
    """
    difference = second - first
    return {
        "first_better": int((difference < 0).sum()),
        "second_better": int((difference > 0).sum()),
        "equal": int((difference == 0).sum()),
        "difference": difference,
    }


def order(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The classes that have images, by the second's accuracy less the first's, in rising order.

    Args:
      first, second: `[C]`, from `accuracy_by_category`.
    """
    difference = second - first
    known = np.flatnonzero(~np.isnan(difference))
    return known[np.argsort(difference[known])]


def extremes(ordered: np.ndarray, most: int) -> np.ndarray:
    """The first and the last of some classes in their order, each class once.

    Args:
      ordered: from `order`.
      most: how many of either end; all classes where there are no more than both ends hold.
    """
    if len(ordered) <= 2 * most:
        return ordered
    return np.concatenate([ordered[:most], ordered[-most:]])


def plot(
    accuracies: Mapping[str, np.ndarray], class_names: Sequence[str], path: str | os.PathLike
) -> None:
    """Draws bars of the classes in which two students differ most, in either direction.

    Args:
      accuracies: `{name: [C]}` of two students.
      class_names: C names.
      path: of the PNG.
    """
    (first, one), (second, two) = accuracies.items()
    shown = extremes(order(one, two), _SHOWN)
    figure, (axes,) = figures.new(11, 5)
    places = np.arange(len(shown))
    for offset, name, values, number in ((-0.2, first, one, 1), (0.2, second, two, 2)):
        colour = figures.COLOURS[number]
        axes.bar(places + offset, 100 * values[shown], 0.4, label=name, color=colour)
    axes.set_xticks(places, [class_names[index] for index in shown], rotation=60, ha="right")
    axes.set(ylabel="top-1 accuracy (%)", title="Categories in which the two differ most")
    axes.legend()
    figures.save(figure, path)


def analyse(
    students: Sequence[loaded.LoadedStudent],
    split: ImageSplit | EncodedSplit,
    batch_size: int,
    class_names: Sequence[str],
) -> Analysis:
    """Accuracy by category of two students, see `accuracy_by_category`."""
    accuracies = {
        # A student may know further classes, of which there are no images.
        each.name: accuracy_by_category(*loaded.predictions(each.predict, split, batch_size))[
            : len(class_names)
        ]
        for each in students
    }
    (first, one), (second, two) = accuracies.items()
    compared = compare(one, two)
    difference = compared.pop("difference")
    lines = [
        f"{first} is better in {compared['first_better']} categories, {second} in "
        f"{compared['second_better']}, equal in {compared['equal']}",
        f"{'category':20}  {first:>12}  {second:>12}  difference",
    ]
    for index in extremes(order(one, two), 5):
        lines.append(
            f"{class_names[index]:20}  {one[index]:12.1%}  {two[index]:12.1%}  "
            f"{100 * difference[index]:+10.1f}"
        )
    numbers = {
        **compared,
        "categories": list(class_names),
        "accuracy": {name: listed(values) for name, values in accuracies.items()},
    }
    return Analysis(
        numbers,
        "\n".join(lines),
        lambda path: plot(accuracies, class_names, path),
    )
