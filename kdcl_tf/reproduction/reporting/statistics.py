"""Statistics over a few seeds: median, spread, and differences paired by seed."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence


def median(values: Iterable[float]) -> float | None:
    """The median, or None if there are no values."""
    values = list(values)
    return statistics.median(values) if values else None


def spread(values: Iterable[float]) -> tuple[float, float] | None:
    """`(least, greatest)`, or None if there are fewer than two values."""
    values = list(values)
    return (min(values), max(values)) if len(values) > 1 else None


def paired(values: Mapping[int, float], baseline: Mapping[int, float]) -> dict[int, float]:
    """The values minus the baseline of the same seed.

    Args:
      values, baseline: `{seed: number}`.

    Returns:
      `{seed: difference}`, for the seeds that both have.
    """
    return {seed: values[seed] - baseline[seed] for seed in values if seed in baseline}


def summed(parts: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """The sum of several dicts, seed by seed.

    Args:
      parts: dicts `{seed: number}`.

    Returns:
      `{seed: sum}`, for the seeds that every part has; empty if there are no parts.
    """
    parts = list(parts)
    seeds = set.intersection(*map(set, parts)) if parts else set()
    return {seed: sum(part[seed] for part in parts) for seed in sorted(seeds)}


def median_curve(curves: Iterable[Sequence[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The median of several curves at each epoch that any of them has.

    Args:
      curves: lists of `(epoch, value)`, one for each seed.

    Returns:
      `(epoch, median)`, in the order of the epochs.
    """
    at = {}
    for curve in curves:
        for epoch, value in curve:
            at.setdefault(epoch, []).append(value)
    return [(epoch, statistics.median(at[epoch])) for epoch in sorted(at)]
