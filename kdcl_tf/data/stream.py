"""Indices turned into batches of examples by tf.data."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# Enough to hide a batch that takes longer than others.
_READY_BATCHES = 4

# The views of 2048 photographs for two students fill 2.5 GB.
_READY_LARGE_BATCHES = 1


def on_host(array: np.ndarray) -> tf.Tensor:
    """A tensor in the host's memory, where tf.data can use it without a copy."""
    # Out of any graph that is being traced: a tensor of that graph could not be kept.
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


def batches(
    indices: np.ndarray,
    batch_size: int,
    examples: Callable[[tf.Tensor], Any],
) -> tf.data.Dataset:
    """Streams the examples at `indices`, in that order.

    `examples` sees a whole batch at once, because a call for each example costs
    more than the work it does. Eager tensors that it closes over are passed to
    the stream by reference: they are neither copied nor written into its graph,
    so they may be larger than a graph's limit of 2 GB.

    Args:
      indices: `[n]` integers; n may be 0.
      batch_size: examples a batch; the last batch may be smaller.
      examples: maps indices `[B]` int64 to a batch.

    Returns:
      A dataset of known cardinality, with B None in its element spec.

    Raises:
      ValueError: when `batch_size` is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}, wanted 1 or more")
    stream = tf.data.Dataset.from_tensor_slices(on_host(indices.astype(np.int64)))
    stream = stream.batch(batch_size)
    stream = stream.map(
        tf.autograph.experimental.do_not_convert(examples),
        num_parallel_calls=os.cpu_count(),
        deterministic=True,
    )
    return stream.prefetch(_READY_BATCHES).with_options(_options())


def decoded(
    indices: np.ndarray,
    batch_size: int,
    example: Callable[[tf.Tensor], Any],
    finish: Callable[..., Any],
) -> tf.data.Dataset:
    """Streams examples that take long to make: one at a time, on all processors.

    Args:
      indices: `[n]` integers, in the order wanted; n may be 0.
      batch_size: examples a batch, before `finish`; the last may be smaller.
      example: maps a scalar int64 index to a tuple of tensors of known shape.
      finish: maps that tuple with a leading dimension `B` to a batch.

    Returns:
      A dataset of known cardinality.

    Raises:
      ValueError: when `batch_size` is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}, wanted 1 or more")
    stream = tf.data.Dataset.from_tensor_slices(on_host(indices.astype(np.int64)))
    stream = stream.map(
        tf.autograph.experimental.do_not_convert(example),
        num_parallel_calls=os.cpu_count(),
        deterministic=True,
    )
    stream = stream.batch(batch_size).map(tf.autograph.experimental.do_not_convert(finish))
    return stream.prefetch(_READY_LARGE_BATCHES).with_options(_options())


def _options() -> tf.data.Options:
    """Under several workers each keeps its share of every global batch.

    There are no files to share out, and with sharding off each worker would
    train on all of the data.

    Nothing is tuned while it runs: an iterator that is, waits at its end for the
    tuner's next look, 0.01, 0.03, 0.07 ... 5.11, 10.23 seconds after it began, so
    that an epoch of 6 seconds would take 10.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options
