"""The names of the ensembles, which settings and flags read without TensorFlow; saved names."""

import json
from collections.abc import Iterable

import numpy as np

__all__ = ["ENSEMBLES", "as_array", "from_array"]

ENSEMBLES = ("naive", "linear", "min_logit", "general")


def as_array(names: Iterable[str]) -> np.ndarray:
    """Names as an array of bytes, uint8, which Keras's files of weights can hold."""
    return np.frombuffer(json.dumps(list(names)).encode(), np.uint8)


def from_array(array: np.ndarray) -> list[str]:
    """The names that `as_array` was given, in their order."""
    return json.loads(np.asarray(array, np.uint8).tobytes())
