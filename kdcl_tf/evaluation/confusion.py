"""Which classes a student takes for which, and the mistakes that it is surest of."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf import files
from kdcl_tf.data import bad_images
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.files import figures
from kdcl_tf.objectives.scores import hits, log_softmax

__all__ = ["Mistake", "Predicted", "matrix", "mistakes", "plot", "predicted", "write_csv"]

# A number is written into each cell of a matrix of at most so many classes.
_MOST_NUMBERS = 20


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


def matrix(found: Predicted, classes: int) -> np.ndarray:
    """How many images of each class a student takes for each of its classes.

    Args:
      found: see `Predicted`; the predicted class is the one with the greatest logit, which is not
        the true one where another is as great, as in `objectives.scores.hits`.
      classes: of the data set.

    Returns:
      `[classes, C]` int64: row the true class, column the predicted one.
    """
    columns = found.logits.shape[1]
    cells = found.labels * columns + _classes(found)
    return np.bincount(cells, minlength=classes * columns).reshape(classes, columns)


def mistakes(found: Predicted, most: int) -> list[Mistake]:
    """The wrong predictions with the highest probabilities, the surest first.

    Args:
      found: see `Predicted`.
      most: how many at most.
    """
    probabilities = np.exp(log_softmax(found.logits))
    rows = np.arange(len(found.labels))
    best = _classes(found)
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


def _classes(found):
    """`[N]`, the predicted classes."""
    others = found.logits.astype(np.float64)
    others[np.arange(len(found.labels)), found.labels] = -np.inf
    return np.where(hits(found.logits, found.labels), found.labels, others.argmax(axis=1))


def write_csv(
    counts: np.ndarray, rows: Sequence[str], columns: Sequence[str], path: str | os.PathLike
) -> None:
    """Writes a matrix as a table, whose first column and row are names of classes.

    Args:
      counts: `[R, C]`, see `matrix`.
      rows: R true classes.
      columns: C predicted classes.
      path: of the CSV, replaced in one rename.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class \\ predicted", *columns])
    writer.writerows([name, *row.tolist()] for name, row in zip(rows, counts))
    files.write_text(path, text.getvalue())


def plot(
    matrices: Mapping[str, np.ndarray],
    rows: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    path: str | os.PathLike,
) -> None:
    """Draws the share of each class's images that each student takes for each class.

    Args:
      matrices: `{student: [R, C]}`, C the student's own.
      rows: R true classes.
      columns: `{student: names of C classes}`.
      path: of the PNG.
    """
    side = min(14.0, max(4.5, 0.35 * len(rows) + 2.5))
    figure, axes = figures.new(side * len(matrices), side, len(matrices))
    for each, (student, counts) in zip(axes, matrices.items()):
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        each.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        each.grid(False)
        each.set(title=student, xlabel="predicted", ylabel="true class")
        if max(counts.shape) <= _MOST_NUMBERS:
            _label(each, counts, shares, rows, columns[student])
    figures.save(figure, path)


def _label(axes, counts, shares, rows, columns):
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
