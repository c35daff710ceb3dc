"""The names of the ensembles, which settings and flags read without TensorFlow; saved names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ENSEMBLES", "as_array", "from_array"]

ENSEMBLES = ("naive", "linear", "min_logit", "general")


def as_array(names: Iterable[str]) -> np.ndarray:
    """Names as an array of bytes, uint8, which Keras's files of weights can hold."""
    import numpy as np

    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def from_array(array: np.ndarray) -> list[str]:
    """The names that `as_array` was given, in their order."""
    import numpy as np

    return json.loads(np.asarray(array, np.uint8).tobytes())
