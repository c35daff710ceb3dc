"""Whether runs that are compared had the same classes and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdcl_tf.data.sources import names
from kdcl_tf.files import identity

# What all runs of a data set have alike, however many images they train on.
_SAME = ("classes", "test")
# What those have alike that train on as many images, and hold as many out, or were to.
_TRAINED = ("train", "held_out")
# The settings that say which of a data set's images a run trains on, and which it holds out.
_CHOOSING = (
    "train_per_class",
    "holdout_per_class",
    "test_share",
    "validation_share",
    "skip_bad_images",
    "max_image_megabytes",
    "max_image_megapixels",
)


def changes(result: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What differs between the data of two results, in words; "" where they can be compared.

    Training images are compared of runs that have as many, or whose settings choose them alike.
    Results of different data sets, and those of versions that recorded no digest, are not
    compared; see `may_be_same`.

    Args:
      result: of a run.
      other: of a run beside it.
    """
    if not may_be_same(result, other):
        return ""
    before, now = (each.get("identity", {}).get("data", {}) for each in (other, result))
    compared: tuple[str, ...] = _SAME
    if counts(other) == counts(result) or _train_on_the_same(result, other):
        compared += _TRAINED
    return identity.data_changes(
        {name: before[name] for name in compared if name in before},
        {name: now[name] for name in compared if name in now},
    )


def may_be_same(result: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two results may be of one data set: of one name, or of two paths that it may have had.

    Args:
      result, other: as for `changes`.
    """
    before, now = (each["data"]["name"] for each in (other, result))
    kinds = [name.partition(":")[0] for name in (before, now)]
    return before == now or (kinds[0] == kinds[1] and kinds[0] in names.WITH_PATH)


def are_known(result: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether enough is known of the test images of two results for `changes` to tell others.

    Of one data set, its name is enough.  Of two paths, both results must have recorded the names or
    the contents of images: counts and labels alone are alike in many data sets.

    Args:
      result, other: as for `changes`.
    """
    if result["data"]["name"] == other["data"]["name"]:
        return True
    before, now = (
        identity.telling(each.get("identity", {}).get("data", {}).get("test", {}))
        for each in (other, result)
    )
    return may_be_same(result, other) and bool(before.keys() & now.keys())


def counts(result: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """How many images a run trained on and held out; None where no digest of them was recorded."""
    digests = result.get("identity", {}).get("data", {})
    train, held_out = ((digests.get(name) or {}).get("images") for name in _TRAINED)
    return train, held_out


def choice(result: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The settings that chose a run's training images; None where they were not recorded."""
    settings = result.get("settings", {})
    if not any(name in settings for name in _CHOOSING):
        return None
    return tuple(settings.get(name) for name in _CHOOSING)


def _train_on_the_same(result, other):
    """Whether two results should have the same training images; both must have recorded them."""
    chosen = choice(result)
    are_recorded = None not in (counts(result)[0], counts(other)[0])
    return are_recorded and chosen is not None and chosen == choice(other)
