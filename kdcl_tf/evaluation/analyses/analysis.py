"""What every analysis gives: numbers, text and a plot."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The findings of an analysis.

    Attributes:
      numbers: for JSON.
      text: for a person.
      draw: a function of the path of a PNG, or None where there is nothing to draw.
      write: a function of the path of the JSON file that writes further files beside it and returns
        their paths; None where there are none.
    """

    numbers: dict[str, Any]
    text: str
    draw: Callable[[pathlib.Path], None] | None = None
    write: Callable[[pathlib.Path], list[pathlib.Path]] | None = None


def listed(values: Iterable[float]) -> list[float | None]:
    """Floats for JSON, with None for NaN."""
    return [None if np.isnan(value) else float(value) for value in values]
