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
    "has_no_processor",
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
      told: in what two runs differ whose values are not the same.
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


def has_no_processor(result: Mapping[str, Any]) -> bool:
    """Whether nothing was recorded of what a run was trained on, so that no other is known to equal it.

    Versions before 1.0 recorded nothing.
    """
    return processor(result) == (None, None)


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

    Runs of earlier versions did not record it: it is 1 on one device, and else unknown, for which
    the name of the strategy stands.
    """
    settings = result.get("settings", {})

    def of(told):
        strategy = told.get("strategy", settings.get("strategy", "one"))
        return told.get("dependent_replicas", 1 if strategy == "one" else strategy)

    return _in_all(result, of)


KINDS = (
    Kind(processor, "the processor, on which rounding depends"),
    Kind(versions, "the version of kdcl_tf, TensorFlow or Keras"),
    Kind(normalized_parts, "the number of parts in which batches were normalised"),
    Kind(
        dependent_replicas,
        "the number of devices, on which their random numbers or the parts of their batches depend",
    ),
)


def differences(result: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """In what two runs differ, each in words that go after "differ in".

    Args:
      result: the contents of `result.json`.
      other: the same of the run that it is compared with.
    """
    return [
        f"{kind.told}, or in one of them it was not always the same or not recorded"
        for kind in KINDS
        if kind.of(result) != kind.of(other)
    ]
