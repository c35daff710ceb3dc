"""Numbers of a cohort that can be changed while it trains."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

__all__ = ["Hyperparameter", "distillation_weight", "number", "temperature"]


class Hyperparameter:
    """A finite float32 number that a step reads when it runs, so that it holds from the next step.

    It is none of a cohort's weights, as an optimizer's learning rate is none of a model's.

    Args:
      name: for messages.
      value: at first.
      least: the number must be at least that; more than it if `excluded`.
      excluded: whether `least` itself is refused.
      squared: whether the square is computed, too, and has to be a float32 number above 0.

    Raises:
      ValueError: for a number that is out of range, as it is given or rounded to float32.
    """

    def __init__(
        self, name: str, value: float, least: float, excluded: bool, squared: bool = False
    ):
        self.name, self._least, self._excluded, self._squared = name, least, excluded, squared
        self.variable = keras.Variable(
            self._checked(value), dtype="float32", trainable=False, name=name
        )

    def assign(self, value: float) -> None:
        """Sets the number.

        Raises:
          ValueError: for a number out of range; nothing changes then.
        """
        self.variable.assign(self._checked(value))

    def _checked(self, value):
        given = float(value)
        with np.errstate(over="ignore", under="ignore"):
            value = float(np.float32(given))
        is_other = value != given and (not value or math.isinf(value))
        got = f"got {given}{f', which is {value:g} in float32' * is_other}"
        # NaN fails every comparison.
        if not (value > self._least or (value == self._least and not self._excluded)):
            sign = ">" if self._excluded else ">="
            raise ValueError(f"{self.name} must be {sign} {self._least:g}; {got}")
        if math.isinf(value):
            raise ValueError(f"{self.name} must be finite; {got}")
        if self._squared and not np.finfo(np.float32).tiny <= value**2 <= np.finfo(np.float32).max:
            raise ValueError(f"{self.name} must have a square that float32 holds; {got}")
        return value


def number(value: Any) -> float:
    """A number or a scalar variable as a float; `float` alone refuses one that has replicas."""
    return float(value.numpy() if hasattr(value, "numpy") else value)


def temperature(value: float) -> Hyperparameter:
    """T of the distillation loss, > 0, which multiplies it by its square."""
    return Hyperparameter("temperature", value, 0.0, excluded=True, squared=True)


def distillation_weight(value: float) -> Hyperparameter:
    """Lambda of paper Eq. 2, >= 0."""
    return Hyperparameter("distillation_weight", value, 0.0, excluded=False)
