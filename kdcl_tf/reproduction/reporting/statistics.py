"""Statistics over a few seeds: median, spread, intervals, and differences paired by seed."""

from __future__ import annotations

import math
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


def mean(values: Iterable[float]) -> float | None:
    """The mean, or None if there are no values."""
    values = list(values)
    return statistics.fmean(values) if values else None


def deviation(values: Iterable[float]) -> float | None:
    """The standard deviation of what the values are a sample of; None of fewer than two."""
    values = list(values)
    return statistics.stdev(values) if len(values) > 1 else None


def interval(values: Iterable[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """`(low, high)` that the mean of what the values are a sample of is between, by Student's t.

    None of fewer than three values: two say next to nothing of their deviation.
    """
    values = list(values)
    if len(values) < 3:
        return None
    from scipy import stats

    share = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    middle = statistics.fmean(values)
    half = float(share) * statistics.stdev(values) / math.sqrt(len(values))
    return middle - half, middle + half


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
