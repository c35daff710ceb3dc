"""The shares by which students' runs have split a folder, so that none is tested on its training images."""

from __future__ import annotations

import pathlib
import types
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.data.sources import layout, names
from kdcl_tf.evaluation import run_data
from kdcl_tf.evaluation.loaded import LoadedStudent
from kdcl_tf.files import identity

# The settings by which a run has split a data set.
SHARES = ("test_share", "validation_share")
_CHANGED = (
    "the {} is not as {}'s run split it: some of these images may be among those that it was"
    " trained on"
)


def shares_of(
    card: Mapping[str, Any],
    name: str | None,
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
) -> dict[str, float]:
    """The shares that split a data set so that no student is tested on what it was trained on.

    What the student's run has split is split again, wherever it lies now, if its test images then
    are those of the run. Any other folder of class folders is evaluated as a whole, and of one that
    has a test set, that one is.

    Args:
      card: the student's.
      name: of the data set.
      keys: as in `datasets.load_dataset`.

    Returns:
      `test_share` and `validation_share` of `data.load`, those that are above 0.
    """
    known = card.get("identity", {})
    found = {
        share: value
        for share in SHARES
        if (value := float(known.get("settings", {}).get(share, 0)))
    }
    own = run_data.is_own(card, name)
    if own and name and "test_share" in found and _has_test_set(name):
        # It was added after the run, which would have refused to split the folder.
        return {}
    return found if found and name and run_data.is_of_run(card, name, keys) else {}


def common(
    students: Sequence[LoadedStudent],
    name: str,
    test_share: float | None = None,
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
    needed: Sequence[str] = SHARES,
) -> dict[str, float]:
    """The shares that split a data set for all students: the one given, or those of their runs.

    Args:
      students: that are analysed together.
      name: of the data set.
      test_share: that it is to be split by; None for that of the runs.
      keys: as in `datasets.load_dataset`.
      needed: the shares that decide which images are looked at: test images are the same whatever
        is taken for validation.

    Returns:
      As `shares_of`, of the needed ones.

    Raises:
      ValueError: when two runs have split it in different ways, or one in another than given.
    """
    found = {
        each.name: {
            share: value
            for share, value in shares_of(each.card, name, keys).items()
            if share in needed
        }
        for each in students
    }
    if test_share is not None:
        data.check_shares(name, test_share, 0)
        _check_given(test_share, found, name)
        if not any("test_share" in shares for shares in found.values()):
            return {"test_share": test_share}
    first = next(filter(None, found.values()), {})
    if not first:
        return {}
    # Whose run has split it not at all has trained on what another's has set apart.
    split = {
        each.name: found[each.name]
        for each in students
        if found[each.name] or run_data.is_of_run(each.card, name, keys)
    }
    if any(shares != first for shares in split.values()):
        told = "; ".join(
            f"{student} by {', '.join(f'{key}={value}' for key, value in shares.items()) or 'no share'}"
            for student, shares in split.items()
        )
        raise ValueError(
            f"expected students whose runs have split {name} alike; got {told}: analyse them one "
            "at a time"
        )
    return first


def for_validation(shares: Mapping[str, float], name: str) -> dict[str, float]:
    """The shares that split a data set whose validation images are looked at.

    A validation set of its own was added after a run that took a share, and counts.

    Args:
      shares: that `common` gave.
      name: of the data set.
    """
    has_own = _has(layout.has_validation_set, name)
    return {key: each for key, each in shares.items() if key != "validation_share" or not has_own}


def _check_given(given, found, name):
    """Refuses a share by which students would be tested on images that they were trained on."""
    for student, shares in found.items():
        share = shares.get("test_share")
        if share not in (None, given):
            raise ValueError(
                f"expected --test_share={share:g}, by which {student}'s run split {name}; got {given:g}, "
                "whose test images it was trained on: leave out --test_share"
            )


def warning(
    student: LoadedStudent,
    shares: Mapping[str, float],
    dataset: data.ImageDataset,
    split: str = "test",
) -> str:
    """What to say where a student may be tested on images that it was trained on; else `""`.

    Args:
      student: of any run.
      shares: that the data set is split by.
      dataset: as it was read.
      split: the one that is evaluated.
    """
    if split == "validation":
        return _validation_warning(student, shares, dataset)
    share = float(student.flags.get("test_share", 0))
    if not share or names.parse(dataset.name).kind != "folder":
        return ""
    if _has_test_set(dataset.name):
        own = run_data.is_own(student.card, dataset.name)
        return own * (
            f"{student.name}'s run split this folder by test_share={share}, when it had no test set:"
            " those of these images that it had then may be among those that it was trained on"
        )
    if share != shares.get("test_share"):
        return (
            f"{student.name} was trained on such a folder, split by test_share={share}: if some of"
            f" these images were in it, pass --test_share={share}"
        )
    before = student.card.get("identity", {}).get("data", {}).get("test", {})
    if "names" not in before or identity.have_same_names(before, dataset.test.digest()):
        return ""
    return _CHANGED.format("folder", student.name)


def _validation_warning(student, shares, dataset):
    """As `warning`, of a validation set: other training images leave the test set as it was."""
    card = student.card
    # Taken from training images, also of data that may be the run's.
    is_taken = "validation_share" in shares and run_data.is_alike(card, dataset.name)
    if not (is_taken or run_data.is_of_run(card, dataset.name)):
        return ""
    known = card.get("identity", {}).get("data", {})
    # Of a run that had none, these may be training images that were put aside since.
    had_one = "validation" in known or not known
    if had_one and run_data.has_validation_images(card, dataset):
        return ""
    return _CHANGED.format("data set", student.name)


def _has_test_set(name: str) -> bool:
    """Whether a data set is a folder with a test set of its own."""
    return _has(layout.has_test_set, name)


def _has(is_there, name):
    """Whether something is there in the folder that a data set is; not in others."""
    kind, where = names.parse(name)
    return kind == "folder" and is_there(pathlib.Path(where).expanduser())
