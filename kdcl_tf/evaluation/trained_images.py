"""The training images of a student's run, found among those of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.data import subsets
from kdcl_tf.evaluation import run_data
from kdcl_tf.evaluation.datasets import check_unchanged, load_dataset
from kdcl_tf.evaluation.loaded import LoadedStudent
from kdcl_tf.files import identity, spelling

__all__ = ["COUNTS", "told_of_all", "trained_on"]

# The flags by which a run chooses some of its training images.
COUNTS = ("holdout_per_class", "train_per_class")
# What is known of the training images in a digest of data.
_TRAINING = ("train", "held_out")


def trained_on(
    students: Sequence[LoadedStudent],
    dataset: data.ImageDataset,
    is_unchanged: bool,
    **reading: Any,
) -> dict[str, data.ImageDataset]:
    """Finds the subset of training images that each student's run had.

    The run's own data set has it under any name or path, if its images are known to be the same;
    of another data set, and of one with too few training images for it, all of them are meant.

    Args:
      students: of any runs.
      dataset: with all training images, which need not be read again where a run had them all.
      is_unchanged: whether other training images than those of the run are refused.
      **reading: further arguments of `datasets.load_dataset`, by which `dataset` was read.

    Returns:
      `{student: data set}`.

    Raises:
      ValueError: when they are not those of a run, and must be.
    """
    read: dict[tuple[Any, ...], data.ImageDataset] = {(): dataset}
    found = {}
    for student in students:
        own = run_data.is_own(student.card, dataset.name)
        subset = _subset(student.flags)
        if subset and not run_data.is_of_run(student.card, dataset.name, reading.get("keys", {})):
            subset = {}
        if why := _why_not_made(dataset, subset):
            if own and is_unchanged:
                raise ValueError(
                    f"{dataset.name} is not what {student.name} was trained with, as the images that "
                    f"it was trained on cannot be chosen again ({why}): restore the images, or pass "
                    f"dataset={dataset.name} to evaluate on them as they are"
                )
            subset = {}
        key = tuple(subset.items())
        if key not in read:
            read[key] = load_dataset(student.card, dataset.name, **reading, **subset)
        if own and is_unchanged:
            check_unchanged([student], read[key], _TRAINING)
        has_it = own or _has_digest(student.card, read[key])
        found[student.name] = read[key] if has_it else dataset
    return found


def _subset(settings):
    """The arguments of `data.load` by which a run has chosen among its training images."""
    counts = {key: int(settings.get(key, 0)) for key in COUNTS}
    # 0 asks for all images, as no argument does.
    return {key: count for key, count in counts.items() if count}


def _why_not_made(dataset, subset):
    """Why the training images of a run cannot be chosen among those of a data set; "" if they can."""
    labels, names = dataset.train.labels, dataset.class_names
    try:
        subsets.held_out_and_train(labels, len(names), **subset, class_names=names)
    except ValueError as error:
        # What follows names flags of kdcl-train.
        return str(error).partition(": lower")[0]
    return ""


def _has_digest(card, dataset):
    """Whether the parts of a data set that a run knows of are as it knew them."""
    before = card.get("identity", {}).get("data", {})
    now = dataset.digest()
    known = [key for key in ("classes", "test", *_TRAINING) if key in before]
    return not identity.data_changes(*({key: each[key] for key in known} for each in (before, now)))


def told_of_all(student: LoadedStudent, dataset: data.ImageDataset, flags: Sequence[str]) -> str:
    """What to say where images may count as trained on that the student's run set apart; else "".

    It is said of the run's own data set and of those that may be it, of the same classes.

    Args:
      student: of any run.
      dataset: whose training images all count.
      flags: by which the run may have set images apart, and which were not applied.
    """
    has_apart = any(float(student.flags.get(flag, 0)) for flag in flags)
    may_be_own = run_data.is_own(student.card, dataset.name) or run_data.is_alike(
        student.card, dataset.name
    )
    ours, theirs = (
        set(spelling.composed_all(each))
        for each in (student.card.get("class_names", ()), dataset.class_names)
    )
    return (has_apart and may_be_own and ours == theirs) * (
        f"{dataset.name} is not known to be the data of {student.name}'s run: all "
        f"{len(dataset.train):,} training images count, of which that run may have trained on only some"
    )
