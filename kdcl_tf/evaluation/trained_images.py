"""The training images of a student's run, found among those of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.data import subsets
from kdcl_tf.evaluation import run_data
from kdcl_tf.evaluation.datasets import check_unchanged, load_dataset
from kdcl_tf.evaluation.loaded import LoadedStudent
from kdcl_tf.files import identity, spelling

__all__ = ["COUNTS", "has_training_images", "told_of_all", "told_of_validated", "trained_on"]

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

    A data set has it under any name or path, the run's own included, if its training images are
    those that the run knew; of any other, and of one with too few of them, all are meant.

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
        has_it = has_training_images(student.card, read[key])
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


def has_training_images(card: Mapping[str, Any], dataset: data.ImageDataset) -> bool:
    """Whether the training images of a data set are those of a student's run.

    They are compared as far as the run knew them: by names, contents or both. Of a run that told
    nothing of them, only its own data set is taken to have them.

    Args:
      card: the student's.
      dataset: with the training images that the run would choose.
    """
    before = card.get("identity", {}).get("data", {})
    is_own = run_data.is_own(card, dataset.name)
    if "train" not in before:
        return is_own
    # At its own place, other test images do not make it another data set.
    compared = ("classes", *_TRAINING, *("test",) * (not is_own))
    now = dataset.digest()
    known = [key for key in compared if key in before]
    return not identity.data_changes(*({key: each[key] for key in known} for each in (before, now)))


def told_of_all(student: LoadedStudent, dataset: data.ImageDataset) -> str:
    """What to say where training images that the run may not have had count as trained on; else "".

    It is said of the run's own data set, and of those that may be it, of the same classes, if the
    run has set images apart.

    Args:
      student: of any run.
      dataset: of which all training images count, unless they are those of the run.
    """
    has_apart = any(float(student.flags.get(flag, 0)) for flag in (*COUNTS, "validation_share"))
    is_own = run_data.is_own(student.card, dataset.name)
    if not (is_own or has_apart) or has_training_images(student.card, dataset):
        return ""
    return _told(student, dataset)


def told_of_validated(student: LoadedStudent, dataset: data.ImageDataset) -> str:
    """What to say where images of `train` may be validation images of a student's run; else "".

    Args:
      student: of any run.
      dataset: split as the run's, where it is known to be the run's.
    """
    has_apart = float(student.flags.get("validation_share", 0))
    if not has_apart or run_data.has_validation_images(student.card, dataset):
        return ""
    return _told(student, dataset)


def _told(student, dataset):
    """That all training images count of a data set that may be the run's; "" of any other."""
    ours, theirs = (
        set(spelling.composed_all(each))
        for each in (student.card.get("class_names", ()), dataset.class_names)
    )
    is_alike = run_data.is_alike(student.card, dataset.name) and ours == theirs
    return (run_data.is_own(student.card, dataset.name) or is_alike) * (
        f"{dataset.name} is not known to be the data of {student.name}'s run: all "
        f"{len(dataset.train):,} training images count, of which that run may have trained on only some"
    )
