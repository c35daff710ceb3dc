"""Numbers of a few seeds: median, spread, and gains paired by seed."""

import statistics


def median(values):
    """The median, or None of nothing."""
    values = list(values)
    return statistics.median(values) if values else None


def spread(values):
    """`(least, greatest)`, or None of fewer than two values."""
    values = list(values)
    return (min(values), max(values)) if len(values) > 1 else None


def paired(values, baseline):
    """Differences to the baseline of the same seed.

    Args:
      values, baseline: `{seed: number}`.

    Returns:
      `{seed: difference}`, for the seeds that both have.
    """
    return {seed: values[seed] - baseline[seed] for seed in values if seed in baseline}


def summed(parts):
    """The sum over columns, seed by seed.

    Args:
      parts: dicts `{seed: number}`.

    Returns:
      `{seed: sum}`, for the seeds that every part has; empty of no parts.
    """
    parts = list(parts)
    seeds = set.intersection(*map(set, parts)) if parts else set()
    return {seed: sum(part[seed] for part in parts) for seed in sorted(seeds)}


def median_curve(curves):
    """The median over seeds at each epoch that any of them has.

    Args:
      curves: lists of `(epoch, value)`.

    Returns:
      A list of `(epoch, median)`, epochs rising.
    """
    at = {}
    for curve in curves:
        for epoch, value in curve:
            at.setdefault(epoch, []).append(value)
    return [(epoch, statistics.median(at[epoch])) for epoch in sorted(at)]
