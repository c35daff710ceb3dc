"""How alike the predictions within a class are (paper section 5, "How does ICL contribute?")."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses.analysis import Analysis, listed
from kdcl_tf.files import figures
from kdcl_tf.objectives.scores import log_softmax


def spread_by_category(logits: ArrayLike, labels: ArrayLike) -> dict[str, np.ndarray]:
    """Standard deviation of the predicted probabilities within each class.

    The paper gives averages (0.347 and 0.343, with ICL 0.337 and 0.336) and no formula.  Two
    are given here.  `true` is the deviation of the probability of the true class over the
    class's images: for students as accurate as the paper's it is of the size printed there.
    `vector` is the root mean squared distance of whole probability vectors from their
    class's mean, which is the literal "intra-class distance" and is larger.

    Args:
      logits: `[N, C]`.
      labels: `[N]` classes.

    Returns:
      `{"true": [C], "vector": [C]}`, NaN for a class of no image or of one, whose deviation is not
      known.
    """
    probabilities, labels = np.exp(log_softmax(logits)), np.asarray(labels)
    classes = probabilities.shape[1]
    true, vector = np.full(classes, np.nan), np.full(classes, np.nan)
    for label in np.flatnonzero(np.bincount(labels, minlength=classes) > 1):
        variances = probabilities[labels == label].var(axis=0)
        true[label] = np.sqrt(variances[label])
        vector[label] = np.sqrt(variances.sum())
    return {"true": true, "vector": vector}


def plot(spreads: Mapping[str, Mapping[str, np.ndarray]], path: str | os.PathLike) -> None:
    """Draws each student's deviations of the classes, sorted, with their average.

    Args:
      spreads: `{name: {"true", "vector"}}`, from `spread_by_category`.
      path: of the PNG.
    """
    figure, axes = figures.new(12, 5, columns=2)
    kinds = {"true": "probability of the true class", "vector": "whole probability vector"}
    for place, (kind, title) in zip(axes, kinds.items()):
        for index, (name, spread) in enumerate(spreads.items()):
            values = np.sort(spread[kind][~np.isnan(spread[kind])])
            colour = figures.COLOURS[index % len(figures.COLOURS)]
            place.plot(values, color=colour, label=f"{name}, average {_average(values):.3f}")
        place.set(title=title, xlabel="classes, in rising order", ylabel="standard deviation")
        place.legend()
    figures.save(figure, path)


def _average(values):
    """That of the classes whose deviation is known."""
    known = values[~np.isnan(values)]
    return known.mean() if len(known) else np.nan


def analyse(
    students: Sequence[loaded.LoadedStudent], split: ImageSplit | EncodedSplit, batch_size: int
) -> Analysis:
    """Deviation of predictions within classes, see `spread_by_category`.

    An average is over the classes of two images or more, and NaN (None in JSON) where there are none.
    """
    spreads = {
        each.name: spread_by_category(*loaded.predictions(each.predict, split, batch_size))
        for each in students
    }
    averages = {
        name: {kind: _average(values) for kind, values in each.items()}
        for name, each in spreads.items()
    }
    width = max(len("student"), *map(len, spreads))
    lines = [
        "Standard deviation of predicted probabilities within a class, average over classes",
        f"{'student':{width}}  true class  whole vector",
    ]
    lines += [
        f"{name:{width}}  {each['true']:10.4f}  {each['vector']:12.4f}"
        for name, each in averages.items()
    ]
    numbers = {
        name: {
            **{kind: listed(values) for kind, values in each.items()},
            **{f"{kind}_average": listed([averages[name][kind]])[0] for kind in each},
        }
        for name, each in spreads.items()
    }
    return Analysis(numbers, "\n".join(lines), lambda path: plot(spreads, path))
