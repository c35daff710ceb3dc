"""What a student says of each image of a split, and the mistakes that it is surest of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf.data import bad_images
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.objectives.scores import hits, log_softmax

__all__ = ["Mistake", "Predicted", "classes", "mistakes", "numbered", "predicted"]


class Predicted(NamedTuple):
    """What a student says of the images of a split that can be decoded, N of them.

    Attributes:
      logits: `[N, C]`, C the classes of the student, those of the data set first.
      labels: `[N]`.
      indices: `[N]`, the positions of the images in the split.
    """

    logits: np.ndarray
    labels: np.ndarray
    indices: np.ndarray


class Mistake(NamedTuple):
    """An image whose class a student gets wrong.

    Attributes:
      index: of the image in its split.
      label, predicted: the classes.
      probability: of the predicted class, 0..1.
      of_true: the probability of the true class.
    """

    index: int  # type: ignore[assignment]  # Of tuples it is a method.
    label: int
    predicted: int
    probability: float
    of_true: float


def predicted(predict: Any, split: Any, batch_size: int = 256) -> Predicted:
    """Runs a student over a split, and remembers which image is which.

    Args:
      predict: of a loaded student.
      split: `ImageSplit` or `EncodedSplit`.
      batch_size: images at a time.

    Raises:
      BadImageError: as `loaded.predictions`.
    """
    logits, parts = [], []
    for images, found in numbered(split, batch_size):
        logits.append(loaded.answers(predict, images)["logits"])
        parts.append(found)
    bad_images.check_any(len(parts), split)
    indices = np.concatenate(parts)
    return Predicted(np.concatenate(logits), split.labels[indices], indices)


def numbered(split: Any, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The images of a split that can be decoded, uint8, and their positions in it, in batches."""
    if not isinstance(split, ImageSplit):
        # A batch of bad images alone is empty.
        yield from (batch for batch in split.numbered(batch_size) if len(batch[1]))
        return
    places = np.arange(len(split)) if split.good is None else np.flatnonzero(split.good)
    for start in range(0, len(places), batch_size):
        part = places[start : start + batch_size]
        yield split.images[part], part


def mistakes(found: Predicted, most: int) -> list[Mistake]:
    """The wrong predictions with the highest probabilities, the surest first.

    Args:
      found: see `Predicted`.
      most: how many at most.
    """
    probabilities = np.exp(log_softmax(found.logits))
    rows = np.arange(len(found.labels))
    best = classes(found)
    sure = probabilities[rows, best]
    wrong = np.flatnonzero(best != found.labels)
    order = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    return [
        Mistake(
            int(found.indices[row]),
            int(found.labels[row]),
            int(best[row]),
            float(sure[row]),
            float(probabilities[row, found.labels[row]]),
        )
        for row in order
    ]


def classes(found: Predicted) -> np.ndarray:
    """`[N]`, the predicted classes."""
    others = found.logits.astype(np.float64)
    others[np.arange(len(found.labels)), found.labels] = -np.inf
    return np.where(hits(found.logits, found.labels), found.labels, others.argmax(axis=1))
