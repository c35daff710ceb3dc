"""The data set of a student's run, recognised wherever it lies now."""

from __future__ import annotations

import os
import types
from collections.abc import Mapping
from typing import Any

from kdcl_tf import data
from kdcl_tf.data.sources import names
from kdcl_tf.files import identity

__all__ = [
    "TFRECORD_KEYS",
    "features",
    "has_validation_images",
    "is_alike",
    "is_of_run",
    "is_own",
]

TFRECORD_KEYS = ("tfrecord_image_key", "tfrecord_label_key")


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


def _place(path):
    return os.path.realpath(os.path.expanduser(path))


def is_of_run(
    card: Mapping[str, Any],
    name: str,
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
) -> bool:
    """Whether a data set is the one that a student was trained on, under its name or another.

    Under another path it is known by the names of its test images, and of TFRecords by their
    contents, too; no image is read. Names of TFDS may be of one set if only one of them tells the
    configuration or the version: whether its images are the run's is found out when they are read.

    Args:
      card: the student's.
      name: of the data set.
      keys: as in `datasets.load_dataset`.
    """
    return is_own(card, name) or _is_respelled(card, name) or _is_moved(card, name, keys)


def _is_respelled(card, name):
    """Whether a name of TFDS may be another for the student's data set."""
    if names.parse(name).kind != "tfds" or not is_alike(card, name):
        return False
    known, other = _tfds_parts(card["dataset"]), _tfds_parts(name)
    return all(
        not (one and two)
        or all(a == b or "*" in (a, b) for a, b in zip(one.split("."), two.split(".")))
        for one, two in zip(known[1:], other[1:])
    )


def _tfds_parts(name):
    """The set, its configuration and its version, of which a name of TFDS may leave out two."""
    path, _, version = name.partition(":")
    base, _, config = path.partition("/")
    # TFDS takes the name of the set's class, too, such as Cifar100.
    return base.lower().replace("_", ""), config, version


def _is_moved(card, name, keys):
    known = card.get("identity", {})
    # Names and contents imply how many there are, and the folders or records their labels.
    before = identity.telling(known.get("data", {}).get("test", {}))
    if not before or not is_alike(card, name) or names.parse(name).kind not in names.WITH_PATH:
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


def is_alike(card: Mapping[str, Any], name: str) -> bool:
    """Whether a data set may be the one that a student was trained on, under another name.

    Any other path may be, and of TFDS any configuration and version of the same set.

    Args:
      card: the student's.
      name: of the data set.
    """
    known = card.get("dataset") or ""
    if not known or is_own(card, name):
        return False
    kind = names.parse(name).kind
    if kind == "tfds":
        return _tfds_parts(known)[0] == _tfds_parts(name)[0]
    return kind in names.WITH_PATH and known.startswith(f"{kind}:")


def has_validation_images(card: Mapping[str, Any], dataset: data.ImageDataset) -> bool:
    """Whether the validation set of a data set is that of a student's run, as far as that is known.

    Args:
      card: the student's.
      dataset: as it was read.
    """
    if dataset.validation is None:
        return False
    before = card.get("identity", {}).get("data", {}).get("validation", {})
    now = dataset.validation.digest()
    return not before or not identity.data_changes({"validation": before}, {"validation": now})


def features(
    card: Mapping[str, Any], name: str, keys: Mapping[str, str | None] = types.MappingProxyType({})
) -> dict[str, str | None]:
    """The features of TFRecords that are given, or the student's run named, for `data.load`.

    Args:
      card, name, keys: as in `datasets.load_dataset`.
    """
    settings = card.get("identity", {}).get("settings", {})
    needed = TFRECORD_KEYS if name.startswith("tfrecord:") else ()
    return {key: keys.get(key) or settings.get(key) or None for key in needed}
