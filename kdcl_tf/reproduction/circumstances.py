"""In what runs that are compared may differ besides their settings and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "KINDS",
    "Kind",
    "by_process",
    "dependent_replicas",
    "differences",
    "normalized_parts",
    "processor",
    "versions",
]

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


def by_process(result: Mapping[str, Any], of: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
    """What each process of a run gives for a function of `result.json`, in order, equal ones once.

    Results of earlier versions tell of the last process alone.
    """
    found: list[Any] = []
    for process in result.get("processes", [result]):
        value = of(process)
        found += [value] * (value not in found)
    return found


def _in_all(result, of):
    """What `of` gives where it is the same in all processes of a run; else a list of all it gives."""
    found = by_process(result, of)
    return found[0] if len(found) == 1 else found


def processor(result: Mapping[str, Any]) -> Any:
    """What a run was trained on: (processor, accelerators); None of each that was not recorded.

    Where the processes of a run differ, here and below, the list of what each has.
    """

    def of(told):
        machine = told.get("machine", {})
        return machine.get("processor"), machine.get("accelerators")

    return _in_all(result, of)


def versions(result: Mapping[str, Any]) -> Any:
    """`{package: version}` of what computed a run, as far as it was recorded."""

    def of(told):
        found = told.get("versions", {})
        return {name: version for name, version in found.items() if name not in _NOT_COMPUTING}

    return _in_all(result, of)


def normalized_parts(result: Mapping[str, Any]) -> Any:
    """In how many parts batch norm took statistics of a batch.

    Runs of earlier versions did not record it: it is 1 on one device and with synchronised batch
    norm, and else they are told apart by their strategies.
    """
    settings = result.get("settings", {})

    def of(told):
        strategy = told.get("strategy", settings.get("strategy", "one"))
        is_whole = strategy == "one" or settings.get("synchronized_batch_norm")
        return told.get("normalized_parts", 1 if is_whole else strategy)

    return _in_all(result, of)


def dependent_replicas(result: Mapping[str, Any]) -> Any:
    """On how many replicas a run's numbers depend besides, as by dropout; 1 where they do not.

    Runs of earlier versions did not record it: it counts as 1.
    """
    return _in_all(result, lambda told: told.get("dependent_replicas", 1))


KINDS = (
    Kind(
        processor,
        "on another processor, which rounds differently, on several, or on one that was not recorded",
    ),
    Kind(versions, "with another version of kdcl_tf, TensorFlow or Keras, or with several"),
    Kind(
        normalized_parts,
        "with batches that were normalised in another number of parts, in several numbers, or in one "
        "that was not recorded",
    ),
    Kind(
        dependent_replicas,
        "on another number of devices, on which random numbers and parts of batches depend, or on "
        "several numbers",
    ),
)


def differences(result: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """How a run was trained where another was not, each in words that go before "than".

    Args:
      result: the contents of `result.json`.
      other: the same of the run that it is compared with.
    """
    return [kind.told for kind in KINDS if kind.of(result) != kind.of(other)]
