"""How fast a matrix product is in each precision, which tells whether a precision pays here."""

from __future__ import annotations

import time

import tensorflow as tf

from kdcl_tf.distribution import strategies

__all__ = ["remark", "seconds"]

_SIZE, _REPEATS = 1024, 6
_TYPES = {"bfloat16": tf.bfloat16, "float16": tf.float16}


def remark(precision: str) -> list[str]:
    """A line where a CPU computes products in a precision more slowly than in float32.

    Some CPUs emulate the precision. Accelerators have it, and are not asked.

    Args:
      precision: "float32", "bfloat16" or "float16".
    """
    if precision not in _TYPES or strategies.has_accelerators():
        return []
    other, single = seconds(_TYPES[precision], tf.float32)
    ratio = other / single
    if ratio <= 1.0:
        return []
    return [
        f"--precision={precision}: here a matrix product of {_SIZE:,} x {_SIZE:,} takes {ratio:.1f} "
        "times as long as in float32, which is probably faster"
    ]


def seconds(*dtypes: tf.DType) -> list[float]:
    """The times of products of two matrices of each type, the shortest of a few, taken in turn."""
    factors = [tf.fill([_SIZE, _SIZE], tf.constant(0.5, dtype)) for dtype in dtypes]
    found = [_time(each) for _ in range(_REPEATS) for each in factors]
    # The first of each also prepares.
    return [min(found[place + len(dtypes) :: len(dtypes)]) for place in range(len(dtypes))]


def _time(factor):
    began = time.perf_counter()
    tf.matmul(factor, factor).numpy()
    return time.perf_counter() - began
