"""Which classes a student takes for which."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence

import numpy as np

from kdcl_tf import files
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses import mistakes_page, predictions
from kdcl_tf.evaluation.analyses.analysis import Analysis
from kdcl_tf.evaluation.analyses.predictions import Predicted
from kdcl_tf.files import figures

__all__ = ["analyse", "matrix", "plot", "write_csv"]

# A number is written into each cell of a matrix of at most so many classes.
_MOST_NUMBERS = 20


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
    cells = found.labels * columns + predictions.classes(found)
    return np.bincount(cells, minlength=classes * columns).reshape(classes, columns)


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


def analyse(
    students: Sequence[loaded.LoadedStudent],
    split: ImageSplit | EncodedSplit,
    batch_size: int,
    class_names: Sequence[str],
    most: int = 20,
) -> Analysis:
    """Which classes each student takes for which, and its `most` surest mistakes.

    Beside the numbers are written a table as CSV for each student, and a page with the pictures
    of the mistakes, unless `most` is 0.
    """
    found = {each.name: predictions.predicted(each.predict, split, batch_size) for each in students}
    # A student may know further classes, of which there are no images.
    columns = {
        each.name: [*class_names, *each.card["class_names"][len(class_names) :]]
        for each in students
    }
    matrices = {name: matrix(each, len(class_names)) for name, each in found.items()}
    wrong = {name: predictions.mistakes(each, most) for name, each in found.items()}
    numbers = {
        name: {
            "classes": list(class_names),
            "predicted": columns[name],
            "matrix": matrices[name].tolist(),
            "mistakes": [_mistake(each, columns[name], split) for each in wrong[name]],
        }
        for name in found
    }

    def write(path):
        paths = _tables(matrices, class_names, columns, path)
        if not most:
            return paths
        page = path.with_suffix(".html")
        mistakes_page.write(wrong, columns, split, "The most confident mistakes", page)
        return [*paths, page]

    return Analysis(
        numbers,
        "\n".join(_confusions(name, matrices[name], class_names, columns[name]) for name in found),
        lambda path: plot(matrices, class_names, columns, path),
        write,
    )


def _mistake(mistake, names, split):
    return {
        "image": mistakes_page.name_of(split, mistake.index),
        "class": names[mistake.label],
        "predicted": names[mistake.predicted],
        "probability": mistake.probability,
        "probability_of_class": mistake.of_true,
    }


def _tables(matrices, class_names, columns, path):
    """Writes a CSV for each student, and returns the paths."""
    paths = []
    for name, counts in matrices.items():
        kind = "" if len(matrices) == 1 else f".{name.replace('/', '_')}"
        paths.append(path.with_name(f"{path.stem}{kind}.csv"))
        write_csv(counts, class_names, columns[name], paths[-1])
    return paths


def _confusions(name, counts, rows, columns, most=10):
    """The pairs of classes that a student confuses most, a line each."""
    right = int(np.diag(counts).sum())
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    head = f"{name}: {right} of {counts.sum()} images right"
    if not wrong.any():
        return head
    lines = [f"{head}; most often taken for another:"]
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [np.unravel_index(each, wrong.shape) for each in order]
    lines += [
        f"  {wrong[row, column]:6d} of {counts[row].sum()} {rows[row]} taken for {columns[column]}"
        for row, column in pairs
        if wrong[row, column]
    ]
    return "\n".join(lines)
