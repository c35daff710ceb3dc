"""The analyses that `kdcl-evaluate` offers: from loaded students to numbers, text and plot."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kdcl_tf import data
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import (
    categories as categories_lib,
    confusion as confusion_lib,
    loaded,
    loss_gap as loss_gap_lib,
    mistakes_page,
    noise as noise_lib,
    overfitting as overfitting_lib,
    spread as spread_lib,
)


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The findings of an analysis.

    Attributes:
      numbers: for JSON.
      text: for a person.
      draw: a function of the path of a PNG, or None where there is nothing to draw.
      write: a function of the path of the JSON file that writes further files beside it and returns
        their paths; None where there are none.
    """

    numbers: dict[str, Any]
    text: str
    draw: Callable[[pathlib.Path], None] | None = None
    write: Callable[[pathlib.Path], list[pathlib.Path]] | None = None


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise that `noise` adds.

    Attributes:
      step, most: deviations are 0, step, 2 step ... up to most, in units of 0..1.
      draws: independent noises of each deviation, 1 or more.
      seed: of the noise.

    Raises:
      ValueError: when the step is not above 0, `most` is below 0, one of them is infinite, or
        there are no draws.
    """

    step: float = 0.01
    most: float = 0.15
    draws: int = 10
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.step < math.inf or not 0 <= self.most < math.inf:
            raise ValueError(
                "expected a step of the noise above 0 and a greatest deviation of 0 or more, in "
                f"units of 0..1; got a step of {self.step} and a deviation of {self.most}"
            )
        if self.draws < 1:
            raise ValueError(f"expected 1 or more draws of the noise; got {self.draws}")

    @property
    def deviations(self) -> list[float]:
        """The deviations from 0 to `most`, none above it but for rounding."""
        # 0.15 / 0.01 is a little less than 15.
        steps = math.floor(self.most / self.step + 1e-6)
        return [round(index * self.step, 10) for index in range(steps + 1)]


def table_of_scores(
    students: Sequence[loaded.LoadedStudent], split: ImageSplit | EncodedSplit, batch_size: int
) -> Analysis:
    """Top-1, top-5, negative log-likelihood and calibration error of each student.

    Balanced accuracy is told where classes differ in size, and top-5 of more than five classes.
    """
    results = {each.name: loaded.score(each.predict, split, batch_size) for each in students}
    width = max(len("student"), *map(len, results))
    columns = {"top_1": "   top-1", "balanced_accuracy": "  balanced", "top_5": "   top-5"}
    if max(len(each.card["class_names"]) for each in students) <= 5:
        del columns["top_5"]
    there = [key for key in columns if any(key in each for each in results.values())]
    heads = "".join(columns[key] for key in there)
    lines = [f"{'student':{width}}{heads}     NLL     ECE  images"]
    for name, each in results.items():
        shares = "".join(f"{each[key]:{len(columns[key])}.2%}" for key in there)
        numbers = f"  {each['nll']:6.4f}  {each['ece']:6.4f}  {each['examples']:6d}"
        lines.append(f"{name:{width}}{shares}{numbers}")
    return Analysis(results, "\n".join(lines))


def categories(
    students: Sequence[loaded.LoadedStudent],
    split: ImageSplit | EncodedSplit,
    batch_size: int,
    class_names: Sequence[str],
) -> Analysis:
    """Accuracy by category of two students, see `categories.accuracy_by_category`."""
    accuracies = {
        # A student may know further classes, of which there are no images.
        each.name: categories_lib.accuracy_by_category(
            *loaded.predictions(each.predict, split, batch_size)
        )[: len(class_names)]
        for each in students
    }
    (first, one), (second, two) = accuracies.items()
    compared = categories_lib.compare(one, two)
    difference = compared.pop("difference")
    order = categories_lib.order(one, two)
    lines = [
        f"{first} is better in {compared['first_better']} categories, {second} in "
        f"{compared['second_better']}, equal in {compared['equal']}",
        f"{'category':20}  {first:>12}  {second:>12}  difference",
    ]
    for index in categories_lib.extremes(order, 5):
        lines.append(
            f"{class_names[index]:20}  {one[index]:12.1%}  {two[index]:12.1%}  "
            f"{100 * difference[index]:+10.1f}"
        )
    numbers = {
        **compared,
        "categories": list(class_names),
        "accuracy": {name: _listed(values) for name, values in accuracies.items()},
    }
    return Analysis(
        numbers,
        "\n".join(lines),
        lambda path: categories_lib.plot(accuracies, class_names, path),
    )


def confusion(
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
    found = {
        each.name: confusion_lib.predicted(each.predict, split, batch_size) for each in students
    }
    # A student may know further classes, of which there are no images.
    columns = {
        each.name: [*class_names, *each.card["class_names"][len(class_names) :]]
        for each in students
    }
    matrices = {name: confusion_lib.matrix(each, len(class_names)) for name, each in found.items()}
    wrong = {name: confusion_lib.mistakes(each, most) for name, each in found.items()}
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
        lambda path: confusion_lib.plot(matrices, class_names, columns, path),
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
        confusion_lib.write_csv(counts, class_names, columns[name], paths[-1])
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


def noise(
    students: Sequence[loaded.LoadedStudent],
    split: ImageSplit | EncodedSplit,
    batch_size: int,
    options: Noise,
) -> Analysis:
    """Loss under noise, and the gap to the first student; see `noise.noise_curves`."""
    # Noise leaves 0..1.
    predictors = {
        each.name: functools.partial(each.predict, check_range=False) for each in students
    }
    deviations = options.deviations
    curves = noise_lib.noise_curves(
        predictors, split, deviations, options.draws, options.seed, batch_size
    )
    width = max(8, *map(len, predictors))
    lines = ["deviation  " + "  ".join(f"{name:>{width}}" for name in predictors)]
    for level, deviation in enumerate(deviations):
        means = [curves[name]["nll"][level].mean() for name in predictors]
        lines.append(f"{deviation:>9}  " + "  ".join(f"{mean:{width}.4f}" for mean in means))
    numbers = {
        **dataclasses.asdict(options),
        "deviations": deviations,
        "students": {
            name: {kind: values.tolist() for kind, values in curve.items()}
            for name, curve in curves.items()
        },
    }
    text = "\n".join(["Test loss (nats) by standard deviation of the noise", *lines])
    return Analysis(numbers, text, lambda path: noise_lib.plot(curves, deviations, path))


def spread(
    students: Sequence[loaded.LoadedStudent], split: ImageSplit | EncodedSplit, batch_size: int
) -> Analysis:
    """Deviation of predictions within classes, see `spread.spread_by_category`."""
    spreads = {
        each.name: spread_lib.spread_by_category(
            *loaded.predictions(each.predict, split, batch_size)
        )
        for each in students
    }
    width = max(len("student"), *map(len, spreads))
    lines = [
        "Standard deviation of predicted probabilities within a class, average over classes",
        f"{'student':{width}}  true class  whole vector",
    ]
    lines += [
        f"{name:{width}}  {np.nanmean(each['true']):10.4f}  {np.nanmean(each['vector']):12.4f}"
        for name, each in spreads.items()
    ]
    numbers = {
        name: {
            **{kind: _listed(values) for kind, values in each.items()},
            **{f"{kind}_average": float(np.nanmean(values)) for kind, values in each.items()},
        }
        for name, each in spreads.items()
    }
    return Analysis(numbers, "\n".join(lines), lambda path: spread_lib.plot(spreads, path))


def overfitting(
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
        results[each.name] = {**accuracies, "train_images": len(dataset.train)}
    width = max(len("student"), *map(len, results))
    lines = [f"{'student':{width}}    train     test      gap  training images"]
    lines += [
        f"{name:{width}}  {each['train']:7.2%}  {each['test']:7.2%}  "
        f"{100 * (each['train'] - each['test']):+7.2f}  {each['train_images']:15d}"
        for name, each in results.items()
    ]
    return Analysis(results, "\n".join(lines), lambda path: overfitting_lib.plot(results, path))


def loss_gap(logs: Mapping[str, list[dict[str, Any]]], student: str) -> Analysis:
    """Gap of each run's test loss to the first run's, see `loss_gap.gaps`.

    Args:
      logs: `{name: list of dicts}`, of which the first is the baseline.
      student: name of the student whose loss is compared.

    Raises:
      ValueError: for runs that cannot be compared.
    """
    losses = {name: loss_gap_lib.loss_by_epoch(log, student) for name, log in logs.items()}
    baseline, *others = losses
    curves = {name: loss_gap_lib.gaps(losses[baseline], losses[name]) for name in others}
    width = max(8, *map(len, others))
    lines = [
        f"Test loss of {baseline} minus that of each run (nats), student {student}",
        "epoch  " + "  ".join(f"{name:>{width}}" for name in others),
    ]
    values = {name: dict(curve) for name, curve in curves.items()}
    for epoch in sorted(set().union(*values.values())):
        cells = [
            f"{values[name][epoch]:+{width}.4f}" if epoch in values[name] else " " * width
            for name in others
        ]
        lines.append(f"{epoch:5d}  " + "  ".join(cells))
    numbers = {"baseline": baseline, "student": student, "gaps": curves}
    return Analysis(
        numbers, "\n".join(lines), lambda path: loss_gap_lib.plot(curves, baseline, path)
    )


def _listed(values: Iterable[float]) -> list[float | None]:
    """Floats for JSON, with None for NaN."""
    return [None if np.isnan(value) else float(value) for value in values]
