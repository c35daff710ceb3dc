"""Two programs timed in turn, and how their ratio is told."""

import time

import numpy as np


def in_pairs(first, second, pairs):
    """Seconds of two functions, run A B A B ..., after one run of each to trace and warm up.

    A machine whose speed drifts slows both.  A function that gives a number has timed
    itself, as one that waits for another process does.

    Returns:
      Two arrays `[pairs]`.
    """
    first(), second()
    return np.array([[_seconds(run) for run in (first, second)] for _ in range(pairs)]).T


def _seconds(run):
    began = time.perf_counter()
    own = run()
    return own if isinstance(own, float) else time.perf_counter() - began


def ratio(numerator, denominator):
    """The median ratio of the pairs, with its quartiles, as text."""
    low, middle, high = np.quantile(numerator / denominator, [0.25, 0.5, 0.75])
    return f"{middle:.3f} (quartiles {low:.3f}, {high:.3f})"


def show(name, numerator, denominator, steps):
    """Prints the ratio of two timings of so many steps, pair by pair."""
    milliseconds = 1000 * np.median([numerator, denominator], axis=1) / steps
    print(
        f"{name}: ratio {ratio(numerator, denominator)}, "
        f"{milliseconds[0]:.1f} ms / {milliseconds[1]:.1f} ms a step",
        flush=True,
    )
