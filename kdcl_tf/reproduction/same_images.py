"""Whether runs that are compared had the same classes and test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdcl_tf.files import identity

# What all runs of a data set have alike, however many images they train on.
_SAME = ("classes", "test")


def changes(result: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What differs between the data of two results, in words; "" where they can be compared.

    Results of different data sets, and those of versions that recorded no digest, are not compared.

    Args:
      result: of a run.
      other: of a run beside it.
    """
    if other["data"]["name"] != result["data"]["name"]:
        return ""
    before, now = (each.get("identity", {}).get("data", {}) for each in (other, result))
    return identity.data_changes(
        {name: before[name] for name in _SAME if name in before},
        {name: now[name] for name in _SAME if name in now},
    )
