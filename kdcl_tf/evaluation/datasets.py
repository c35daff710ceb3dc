"""The data sets that students are evaluated on: found, read and split as those they trained on."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.data import distortions, subsets
from kdcl_tf.data.sources import names
from kdcl_tf.evaluation.loaded import LoadedStudent
from kdcl_tf.files import identity, spelling

TFRECORD_KEYS = ("tfrecord_image_key", "tfrecord_label_key")
# What is known of the training images in a digest of data.
_TRAINING = ("train", "held_out")
# The flags by which a run chooses some of its training images.
COUNTS = ("holdout_per_class", "train_per_class")

UNKNOWN = (
    "expected the name of a data set; got none, and the student's card does not tell what it was "
    "trained on: pass dataset=NAME"
)


def load_dataset(
    card: Mapping[str, Any],
    name: str | None = None,
    data_dir: str | None = None,
    skip_bad_images: bool = False,
    rules: data.ImageRules = data.ImageRules(),
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
    **subset: Any,
) -> data.ImageDataset:
    """The named data set at the student's resolution, by default the one it was trained on.

    Images are scaled as those that the student was trained on, turned upright only if those
    were, and found in TFRecords under the same features.  Of its own set, wherever it lies now,
    those are left out as too large that its run left out.

    Args:
      card: the student's.
      name, data_dir, skip_bad_images, rules: as in `data.load`.
      keys: `tfrecord_image_key` and `tfrecord_label_key`, where they are not the run's.
      **subset: further arguments of `data.load`: `holdout_per_class` and `train_per_class`, for
        the images it was trained on; `test_share` and `validation_share`, see `shares.shares_of`;
        `needs_train` and `needs_validation`.

    Raises:
      ValueError, OSError: when there is no such data set.
    """
    name = name or card.get("dataset")
    if not name:
        raise ValueError(UNKNOWN)
    rules = rules.as_trained(card)
    limited = rules.limited_as(card)
    if limited != rules and is_of_run(card, name, keys):
        rules = limited
    height, width, _ = card["image_shape"]
    # Only images in a data set's own size are not square.
    size = height if height == width else 0
    return data.load(
        name,
        data_dir=data_dir,
        image_size=size,
        **features(card, name, keys),
        distortion=card.get("distortion", "padded_crop"),
        normalization=data.Normalization.from_card(card) if "mean" in card else None,
        skip_bad_images=skip_bad_images,
        rules=rules,
        **subset,
    )


def is_own(card: Mapping[str, Any], name: str | None) -> bool:
    """Whether a data set is the one that a student was trained on: the same name, or the same place.

    Args:
      card: the student's.
      name: of the data set.
    """
    known = card.get("dataset")
    if not known or not name:
        return False
    if known == name:
        return True
    try:
        kind, where = names.parse(known)
    except ValueError:
        # Whoever exports a student by `serving.export_student` may call its data set anything.
        return False
    other = names.parse(name)
    return bool(where) and (kind, _place(where)) == (other[0], _place(other[1]))


def is_of_run(
    card: Mapping[str, Any],
    name: str,
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
) -> bool:
    """Whether a data set is the one that a student was trained on, under its path or another.

    Under another path it is known by the names of its test images, and of TFRecords by their
    contents, too; no image is read.

    Args:
      card: the student's.
      name: of the data set.
      keys: as in `load_dataset`.
    """
    return is_own(card, name) or _is_moved(card, name, keys)


def is_alike(card: Mapping[str, Any], name: str) -> bool:
    """Whether a data set may be the one that a student was trained on, at another path.

    Args:
      card: the student's.
      name: of the data set.
    """
    kind = names.parse(name).kind
    known = card.get("dataset") or ""
    return kind in names.WITH_PATH and known.startswith(f"{kind}:") and not is_own(card, name)


def _is_moved(card, name, keys):
    known = card.get("identity", {})
    test = known.get("data", {}).get("test", {})
    # Names and contents imply how many there are, and the folders or records their labels.
    before = {key: test[key] for key in test if key not in ("images", "labels")}
    if not before or not is_alike(card, name):
        return False
    share = float(known.get("settings", {}).get("test_share", 0))
    found = features(card, name, keys)
    keys = {key.removeprefix("tfrecord_"): value for key, value in found.items()}
    try:
        now = names.index(name, test_share=share, **keys).test.images.digest()
    except (OSError, ValueError):
        return False
    has_names = identity.have_same_names(before, now)
    return has_names and not identity.data_changes({"test": before}, {"test": now})


def _place(path):
    return os.path.realpath(os.path.expanduser(path))


def check_unchanged(
    students: Sequence[LoadedStudent],
    dataset: data.ImageDataset,
    compared: Sequence[str] = ("classes", "test", "validation"),
) -> None:
    """Refuses a data set that is called as the one trained on, and has other classes or images.

    Args:
      students: of runs on a data set of that name.
      dataset: the data set as it is now.
      compared: parts of its digest; the training images are those of the runs only where they
        were chosen as there.

    Raises:
      ValueError: saying what differs.
    """
    now = {key: value for key, value in dataset.digest().items() if key in compared}
    for student in students:
        before = student.card.get("identity", {}).get("data", {})
        changes = identity.data_changes({key: before[key] for key in now if key in before}, now)
        if changes:
            share = student.flags.get("test_share", "0.0")
            trained = ", some of which it may have been trained on" if float(share) else ""
            raise ValueError(
                f"{dataset.name} is not what {student.name} was trained with: {changes}; restore "
                f"the images, or pass dataset={dataset.name} to evaluate on them as they are{trained}"
            )


def check_alike(
    students: Sequence[LoadedStudent],
    name: str,
    rules: data.ImageRules = data.ImageRules(),
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
) -> None:
    """Refuses students for whom the images of a data set are read differently.

    An analysis shows all students the same images, and a student is judged fairly only by images
    that are scaled, cut and turned as those that it was trained on.

    Args:
      students: that are analysed together.
      name: of the data set.
      rules: as in `data.load`.
      keys: as in `load_dataset`.

    Raises:
      ValueError: naming the first that differs from the first student, and how.
    """
    first, *others = ((each.name, _read_as(each.card, name, rules, keys)) for each in students)
    for other in others:
        if other[1] != first[1]:
            raise ValueError(
                "expected students of images that are read alike, to be analysed together; got "
                f"{first[0]} of images {first[1]}, and {other[0]} of images {other[1]}: analyse "
                "them one at a time"
            )


def _read_as(card, name, rules, keys):
    """How `load_dataset` reads images for a student, in words."""
    height, width, _ = card["image_shape"]
    tall, wide = distortions.scaled_size(card.get("distortion", "padded_crop"), height, width)
    cut = f" and cut to {height} x {width}" if (tall, wide) != (height, width) else ""
    turned = "" if rules.as_trained(card).apply_exif_orientation else ", not turned upright"
    named = ", ".join(filter(None, features(card, name, keys).values()))
    return f"scaled to {tall} x {wide}{cut}{turned}{f', of the features {named}' * bool(named)}"


def features(
    card: Mapping[str, Any], name: str, keys: Mapping[str, str | None] = types.MappingProxyType({})
) -> dict[str, str | None]:
    """The features of TFRecords that are given, or the student's run named, for `data.load`.

    Args:
      card, name, keys: as in `load_dataset`.
    """
    settings = card.get("identity", {}).get("settings", {})
    needed = TFRECORD_KEYS if name.startswith("tfrecord:") else ()
    return {key: keys.get(key) or settings.get(key) or None for key in needed}


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
      **reading: further arguments of `load_dataset`, by which `dataset` was read.

    Returns:
      `{student: data set}`.

    Raises:
      ValueError: when they are not those of a run, and must be.
    """
    read: dict[tuple[Any, ...], data.ImageDataset] = {(): dataset}
    found = {}
    for student in students:
        own = is_own(student.card, dataset.name)
        subset = _subset(student.flags)
        if subset and not is_of_run(student.card, dataset.name, reading.get("keys", {})):
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


def told_of_all(student: LoadedStudent, dataset: data.ImageDataset, flags: Sequence[str]) -> str:
    """What to say where images may count as trained on that the student's run set apart; else "".

    It is said of the run's own data set and of those that may be it, of the same classes.

    Args:
      student: of any run.
      dataset: whose training images all count.
      flags: by which the run may have set images apart, and which were not applied.
    """
    has_apart = any(float(student.flags.get(flag, 0)) for flag in flags)
    may_be_own = is_own(student.card, dataset.name) or is_alike(student.card, dataset.name)
    ours, theirs = (
        set(spelling.composed_all(each))
        for each in (student.card.get("class_names", ()), dataset.class_names)
    )
    return (has_apart and may_be_own and ours == theirs) * (
        f"{dataset.name} is not known to be the data of {student.name}'s run: all "
        f"{len(dataset.train):,} training images count, of which that run may have trained on only some"
    )


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
