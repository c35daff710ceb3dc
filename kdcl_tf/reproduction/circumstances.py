"""In what runs that are compared may differ besides their settings and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["KINDS", "Kind", "differences", "normalized_parts", "processor", "versions"]

# Python computes no number of a run.
_NOT_COMPUTING = ("python",)


class Kind(NamedTuple):
    """A circumstance of a run.

    Attributes:
      of: a function of `result.json` whose value is the same in runs that compare.
      told: how one run was trained where its value is not another's, before "than".
    """

    of: Any
    told: str


def processor(result: Mapping[str, Any]) -> tuple[str | None, list[str] | None]:
    """What a run ended on: its processor and accelerators; None of each that was not recorded."""
    machine = result.get("machine", {})
    return machine.get("processor"), machine.get("accelerators")


def versions(result: Mapping[str, Any]) -> dict[str, str]:
    """`{package: version}` of what computed a run, as far as it was recorded."""
    told = result.get("versions", {})
    return {name: version for name, version in told.items() if name not in _NOT_COMPUTING}


def normalized_parts(result: Mapping[str, Any]) -> int | str:
    """In how many parts batch norm took statistics of a batch.

    Runs of earlier versions did not record it: it is 1 on one device and with synchronised batch
    norm, and else they are told apart by their strategies.
    """
    settings = result.get("settings", {})
    strategy = settings.get("strategy", "one")
    is_whole = strategy == "one" or settings.get("synchronized_batch_norm")
    return result.get("normalized_parts", 1 if is_whole else strategy)


KINDS = (
    Kind(processor, "on another processor, which rounds differently, or one that was not recorded"),
    Kind(versions, "with another version of kdcl_tf, TensorFlow or Keras"),
    Kind(
        normalized_parts,
        "with batches that were normalised in another number of parts, or one that was not recorded",
    ),
)


def differences(result: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """How a run was trained where another was not, each in words that go before "than".

    Args:
      result: the contents of `result.json`.
      other: the same of the run that it is compared with.
    """
    return [kind.told for kind in KINDS if kind.of(result) != kind.of(other)]
