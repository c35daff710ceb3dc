"""Times programs in turn, and prints their ratios."""

import time
from collections.abc import Callable, Sequence

import numpy as np


def in_pairs(first: Callable, second: Callable, pairs: int) -> np.ndarray:
    """The seconds of two functions, run A B A B ..., after one run of each to trace and warm up.

    So a machine whose speed drifts slows both.  A function that returns a float has timed
    itself, such as one that waits for another process.

    Returns:
      `[2, pairs]` seconds.
    """
    return in_turn([first, second], pairs)


def in_turn(runs: Sequence[Callable], rounds: int) -> np.ndarray:
    """`in_pairs` of any number of functions.

    Returns:
      `[functions, rounds]` seconds.
    """
    for run in runs:
        run()
    return np.array([[_seconds(run) for run in runs] for _ in range(rounds)]).T


def _seconds(run):
    began = time.perf_counter()
    own = run()
    return own if isinstance(own, float) else time.perf_counter() - began


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> str:
    """The median ratio of the pairs `[pairs]`, with its quartiles, as text."""
    low, middle, high = np.quantile(numerator / denominator, [0.25, 0.5, 0.75])
    return f"{middle:.3f} (quartiles {low:.3f}, {high:.3f})"


def show(name: str, numerator: np.ndarray, denominator: np.ndarray, steps: int) -> None:
    """Prints the ratio of two timings, and the milliseconds of a step of each.

    Args:
      name: of the comparison.
      numerator, denominator: `[pairs]` seconds.
      steps: the number of steps in each timing.
    """
    milliseconds = 1000 * np.median([numerator, denominator], axis=1) / steps
    print(
        f"{name}: ratio {ratio(numerator, denominator)}, "
        f"{milliseconds[0]:.1f} ms / {milliseconds[1]:.1f} ms per step",
        flush=True,
    )
