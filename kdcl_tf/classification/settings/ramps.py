"""Numbers that change from epoch to epoch along straight lines, as a flag writes them."""

from __future__ import annotations

import itertools
import math

__all__ = ["Ramp"]


class Ramp:
    """A number of each epoch, straight between points and constant before and after them.

    Args:
      text: `EPOCH:NUMBER,EPOCH:NUMBER,...`, epochs counted from 0 and rising; or "", for 1.

    Raises:
      ValueError: for other text, or a number that is not finite and at least 0.
    """

    def __init__(self, text: str):
        self.points = tuple(map(_point, text.split(","))) if text else ((0, 1.0),)
        epochs = [epoch for epoch, _ in self.points]
        if any(later <= epoch for epoch, later in itertools.pairwise(epochs)):
            raise ValueError(f"expected epochs that rise; got {text}")

    def __str__(self):
        return ",".join(
            f"{epoch}:{str(number).removesuffix('.0')}" for epoch, number in self.points
        )

    def at(self, epoch: int) -> float:
        """The number of an epoch, counted from 0."""
        first, last = self.points[0], self.points[-1]
        if epoch <= first[0]:
            return first[1]
        for (start, low), (end, high) in itertools.pairwise(self.points):
            if epoch <= end:
                return low + (high - low) * (epoch - start) / (end - start)
        return last[1]


def _point(text):
    epoch, _, number = text.strip().partition(":")
    try:
        found = int(epoch), float(number)
    except ValueError:
        found = -1, math.nan
    if not (found[0] >= 0 and 0 <= found[1] < math.inf):
        raise ValueError(
            f"expected EPOCH:NUMBER, such as 0:0,20:1, both at least 0; got {text or 'nothing'}"
        )
    return found
