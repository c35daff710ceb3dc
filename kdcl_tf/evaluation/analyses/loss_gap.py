"""Loss gap to a baseline by epoch, from the logs of runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.evaluation.analyses.analysis import Analysis
from kdcl_tf.files import figures


def loss_by_epoch(log: Sequence[Mapping[str, Any]], student: str) -> dict[int, float]:
    """`{epoch: test cross-entropy}` of the epochs that were evaluated.

    Args:
      log: a dict for each epoch, as in `log.jsonl`.
      student: name of the student.

    Raises:
      ValueError: when the run has evaluated no such student.
    """
    key = f"test_{student}_cross_entropy"
    found = {record["epoch"]: record[key] for record in log if key in record}
    if not found:
        names = sorted(
            name.removeprefix("test_").removesuffix("_cross_entropy")
            for name in set().union(*log)
            if name.startswith("test_") and name.endswith("_cross_entropy")
        )
        raise ValueError(
            f"expected the log of a run that evaluated student {student}; got one of "
            f"{', '.join(names) or 'no student'}"
        )
    return found


def gaps(baseline: Mapping[int, float], other: Mapping[int, float]) -> list[tuple[int, float]]:
    """`[(epoch, baseline's loss minus the other's)]`, in nats: above 0 the other's is lower.

    Args:
      baseline, other: `{epoch: loss}`.

    Raises:
      ValueError: when they have no epoch in common.
    """
    common = sorted(set(baseline) & set(other))
    if not common:
        raise ValueError(
            f"expected runs with an evaluated epoch in common; got epochs {_some(baseline)} and "
            f"{_some(other)}: train them with the same evaluate_every"
        )
    return [(epoch, baseline[epoch] - other[epoch]) for epoch in common]


def _some(losses: Mapping[int, float]) -> str:
    """The first few epochs."""
    epochs = sorted(losses)
    return ", ".join(map(str, epochs[:3])) + (" ..." if len(epochs) > 3 else "")


def plot(
    curves: Mapping[str, Sequence[tuple[int, float]]], baseline: str, path: str | os.PathLike
) -> None:
    """Draws a line for each run.

    Args:
      curves: `{name: [(epoch, gap)]}`.
      baseline: name of the run that they are compared with.
      path: of the PNG.
    """
    figure, (axes,) = figures.new(8, 5)
    axes.axhline(0, color=figures.COLOURS[0], linewidth=1)
    for index, (name, curve) in enumerate(curves.items()):
        colour = figures.COLOURS[1 + index % (len(figures.COLOURS) - 1)]
        axes.plot(*zip(*curve), color=colour, label=name, marker=".")
    axes.set(xlabel="epoch", ylabel=f"test loss of {baseline} minus this (nats)")
    axes.legend()
    figures.save(figure, path)


def analyse(logs: Mapping[str, list[dict[str, Any]]], student: str) -> Analysis:
    """Gap of each run's test loss to the first run's, see `gaps`.

    Args:
      logs: `{name: list of dicts}`, of which the first is the baseline.
      student: name of the student whose loss is compared.

    Raises:
      ValueError: for runs that cannot be compared.
    """
    losses = {name: loss_by_epoch(log, student) for name, log in logs.items()}
    baseline, *others = losses
    curves = {name: gaps(losses[baseline], losses[name]) for name in others}
    width = max(8, *map(len, others))
    lines = [
        f"Test loss of {baseline} minus that of each run (nats), student {student}",
        "epoch  " + "  ".join(f"{name:>{width}}" for name in others),
    ]
    values = {name: dict(curve) for name, curve in curves.items()}
    for epoch in sorted(set().union(*values.values())):
        cells = [
            f"{values[name][epoch]:+{width}.4f}" if epoch in values[name] else " " * width
            for name in others
        ]
        lines.append(f"{epoch:5d}  " + "  ".join(cells))
    numbers = {"baseline": baseline, "student": student, "gaps": curves}
    return Analysis(numbers, "\n".join(lines), lambda path: plot(curves, baseline, path))
