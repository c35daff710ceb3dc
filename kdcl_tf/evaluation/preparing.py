"""Loads what an analysis needs, and says what was read: students, images, or the logs of runs."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.evaluation import datasets, loaded, places, run_data, shares, trained_images
from kdcl_tf.evaluation.analyses import (
    categories,
    confusion,
    loss_gap,
    noise,
    overfitting,
    scores,
    spread,
)
from kdcl_tf.evaluation.analyses.analysis import Analysis
from kdcl_tf.files import streams
from kdcl_tf.training import ownership
from kdcl_tf.training.run_files import read_log, read_result

__all__ = ["prepare"]


def prepare(values: Mapping[str, Any], paths: Sequence[pathlib.Path]) -> Callable[[], Analysis]:
    """Loads and checks all that `--analysis` needs.

    Args:
      values: `{flag: value}` of `kdcl-evaluate`, and `rules`, the `ImageRules` of its flags.
      paths: of the students.

    Returns:
      A function that makes the analysis, which may take long.

    Raises:
      ValueError: when students, images or logs do not fit each other or the analysis.
    """
    return (_of_logs if values["analysis"] == "loss_gap" else _of_students)(values, paths)


def _of_students(values, paths):
    """Loads students and data for an analysis on images, and returns the analysis to call."""
    added = noise.Noise(
        values["noise_step"], values["noise_max"], values["noise_draws"], values["seed"]
    )
    students = _students(values, paths)
    name = values["dataset"] or students[0].card.get("dataset")
    if not name:
        raise ValueError(datasets.UNKNOWN)
    reading = _reading(values)
    data.check_keys(name, *(each or "" for each in reading["keys"].values()))
    datasets.check_alike(students, name, reading["rules"], reading["keys"])
    needed = shares.SHARES if _needs_train(values) or values["split"] != "test" else ("test_share",)
    split_by = shares.common(students, name, values["test_share"], reading["keys"], needed)
    if values["split"] == "validation":
        split_by = shares.for_validation(split_by, name)
    dataset, split = _images(values, students, name, split_by)
    if values["analysis"] == "noise":
        loaded.check_channels(students, dataset)
    students = [loaded.fitted(each, dataset, values["match_classes"]) for each in students]
    for each in students:
        if told := loaded.among_more(each, dataset):
            print(told, file=sys.stderr)
    size = values["batch_size"]
    if values["analysis"] == "overfitting":
        reading |= {**split_by, "needs_validation": False}
        found = trained_images.trained_on(students, dataset, not values["dataset"], **reading)
        if told := _told_of_training(values["images"], found, students):
            print(told, file=sys.stderr)
        trained_on = {name: _first(each, values["images"]) for name, each in found.items()}
        return lambda: overfitting.analyse(students, trained_on, size)
    return {
        "scores": lambda: scores.analyse(students, split, size),
        "categories": lambda: categories.analyse(students, split, size, dataset.class_names),
        "confusion": lambda: confusion.analyse(
            students, split, size, dataset.class_names, values["mistakes"]
        ),
        "noise": lambda: noise.analyse(students, split, size, added),
        "spread": lambda: spread.analyse(students, split, size),
    }[values["analysis"]]


def _students(values, paths):
    """Loads the students, and says of those of a run which epochs they are of."""
    # LiteRT tells what it computes with.
    with streams.without_libraries():
        students = loaded.load_students(paths)
    if values["workdir"]:
        loaded.check_places(students)
        if told := loaded.told_of_epochs(students):
            print(told, file=sys.stderr)
    return students


def _reading(values):
    """How the images of a data set are read."""
    keys = {name: values[name] for name in run_data.TFRECORD_KEYS}
    same = {name: values[name] for name in ("data_dir", "skip_bad_images", "rules")}
    return {**same, "keys": keys}


def _needs_train(values):
    """Whether training images are looked at."""
    return values["split"] == "train" or values["analysis"] == "overfitting"


def _images(values, students, name, split_by):
    """(the data set, the images of it that are analysed), and says what was read.

    Raises:
      ValueError: when it has no such split, or is not what the students' runs had.
    """
    needs_train = _needs_train(values)
    reading = {**_reading(values), **split_by, "needs_validation": values["split"] == "validation"}
    with streams.quiet_reading(name):
        dataset = datasets.load_dataset(students[0].card, name, **reading, needs_train=needs_train)
    split = _split(values, dataset, name)
    if not values["dataset"]:
        datasets.check_unchanged(students, dataset)
        if values["split"] == "train":
            # What the run held out is an image of this split like the others.
            trained_images.trained_on(students, dataset, True, **reading)
    if told := _told(values, students, dataset, split_by):
        print(told, file=sys.stderr)
    return dataset, split


def _told(values, students, dataset, split_by):
    """What was read of the data set, and who may have been trained on it; "" where all is plain."""
    wanted, whole = values["images"], len(getattr(dataset, values["split"]))
    kind = "test images" if values["analysis"] == "overfitting" else "images"
    first = f"only the first {wanted:,} of {whole:,} {kind} are evaluated"
    warnings = (shares.warning(each, split_by, dataset, values["split"]) for each in students)
    if values["split"] == "train":
        told = (trained_images.told_of_validated(each, dataset) for each in students)
        warnings = (*warnings, *told)
    return "; ".join(filter(None, (dataset.told, first * (0 < wanted < whole), *warnings)))


def _told_of_training(wanted, found, students):
    """Which students' training images are not all evaluated, or may be more than theirs; "" for none."""
    unknown = (trained_images.told_of_all(each, found[each.name]) for each in students)
    first = (
        f"only the first {wanted:,} of the {len(dataset.train):,} training images of {name} are "
        "evaluated"
        for name, dataset in found.items()
        if 0 < wanted < len(dataset.train)
    )
    return "; ".join(filter(None, (*unknown, *first)))


def _split(values, dataset, name):
    """The images that are analysed: the first of a split, as many as wanted."""
    split = getattr(dataset, values["split"])
    if split is None:
        raise ValueError(
            f"--split=validation: expected a data set with a validation set; got {name}, which was"
            " not split with --validation_share and has no val/ beside test/"
        )
    return split.take(slice(values["images"])) if values["images"] else split


def _first(dataset, images):
    """The data set with the first images alone to train and to test on; 0 for all."""
    if not images:
        return dataset
    splits = {name: getattr(dataset, name).take(slice(images)) for name in ("train", "test")}
    return dataclasses.replace(dataset, **splits)


def _of_logs(values, _):
    """Compares the losses in the logs of runs at once, and returns a function of the result."""
    paths = [places.absolute(each) for each in values["workdir"]]
    # Runs are named by where their paths differ, as far up as needed.
    common = os.path.commonpath([path.parent for path in paths])
    results = {path: read_result(path) for path in paths}
    logs = {str(path.relative_to(common)): read_log(path, results[path]) for path in paths}
    # A loss on other images, or of other classes, is no more or less by what the students learned.
    ownership.check_same_data(results, ("classes", "test"))
    found = loss_gap.analyse(logs, values["student"])
    return lambda: found
