"""What trained a run, told of every process of it: a run that was stopped may go on elsewhere.

A result tells of the run's last process by itself, and in `processes` of all, of several workers
those of the first, each in a dict with what is known of `machine` (see `machine.facts`),
`versions` (see `identity.versions`), `strategy`, `normalized_parts` (in how many parts each batch
was normalised) and `dependent_replicas` (the number of replicas, where the run's numbers depend on
it otherwise, and else 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.files import identity

__all__ = ["before", "joined", "this", "used_before"]


def this(machine: Mapping[str, Any], strategy: str, parts: int, dependent: int) -> dict[str, Any]:
    """The facts of this process.

    Args:
      machine: its facts.
      strategy: that it trains under, as `--strategy` names it.
      parts: in how many parts each batch is normalised.
      dependent: on how many replicas its numbers depend otherwise.
    """
    return {
        "machine": dict(machine),
        "versions": identity.versions(),
        "strategy": strategy,
        "normalized_parts": parts,
        "dependent_replicas": dependent,
    }


def before(
    progress: Mapping[str, Any], run: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The facts of each process that has trained a run, up to a checkpoint of it.

    Earlier versions recorded those of the process that saved the checkpoint alone.

    Args:
      progress: that the checkpoint has.
      run: the facts of the identity that it has, as far as they are known.
    """
    used, run = progress.get("used", {}), run or {}
    if "processes" in used:
        return used["processes"]
    told = {
        "machine": used.get("machine"),
        "versions": run.get("versions"),
        "strategy": run.get("settings", {}).get("strategy"),
        "normalized_parts": used.get("normalized_parts", progress.get("parts")),
        "dependent_replicas": progress.get("replicas"),
    }
    return [{name: value for name, value in told.items() if value is not None}]


def used_before(
    progress: Mapping[str, Any], run: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a result tells of what has trained a run, as far as a checkpoint of it does.

    Args:
      progress, run: as for `before`.
    """
    known = before(progress, run)
    last = known[-1]
    told = {name: last[name] for name in ("normalized_parts", "dependent_replicas") if name in last}
    return {**told, "processes": known, **progress.get("used", {})}


def joined(earlier: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The facts of all processes in the order in which they began, equal ones once."""
    return [dict(each) for each in earlier] + [dict(own)] * (own not in earlier)
