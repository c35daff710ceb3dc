"""Turns indices into batches of examples with tf.data."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# Prefetching this many batches hides one that takes longer than the others.
_READY_BATCHES = 4

# One batch only: the views of 2048 photographs for two students take 2.5 GB.
_READY_LARGE_BATCHES = 1


def on_host(array: np.ndarray) -> tf.Tensor:
    """A tensor in the host's memory, which tf.data uses without a copy."""
    # Outside any graph that is being traced, whose tensors could not be kept.
    with tf.init_scope(), tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of every batch that one process reads when batches are split over replicas.

    A batch of B examples is split by position into R parts whose sizes differ by at most
    one: 17 over 2 is 8 and 9. So all replicas together see the batches that one device
    would see, and each has an example as long as B >= R.

    Attributes:
      replicas: R, in all processes.
      first: the first replica of this process.
      count: how many replicas this process has; they are consecutive.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1

    def bounds(self, examples: int, batch_size: int) -> np.ndarray:
        """`[n, 2]`: start and end positions of this process's parts of every batch."""
        starts = np.arange(0, examples, batch_size)[:, None]
        sizes = np.minimum(batch_size, examples - starts)
        edges = np.arange(self.first, self.first + self.count + 1)
        edges = starts + sizes * edges // self.replicas
        return np.stack([edges[:, :-1], edges[:, 1:]], axis=-1).reshape(-1, 2)

    def positions(self, examples: int, batch_size: int) -> np.ndarray:
        """`[n]`: the positions of all examples in this process's parts, in order."""
        parts = [np.arange(*bounds) for bounds in self.bounds(examples, batch_size)]
        return np.concatenate(parts or [np.arange(0)])


def batches(
    indices: np.ndarray,
    batch_size: int,
    examples: Callable[[tf.Tensor], Any],
    share: Share = Share(),
) -> tf.data.Dataset:
    """Streams the examples at `indices`, in that order.

    `examples` gets a whole batch at once, because a call for each example would cost
    more than its work. Eager tensors that it closes over are passed to the stream by
    reference. They are neither copied nor written into its graph, so they may exceed
    a graph's limit of 2 GB.

    Args:
      indices: `[n]` integers; n may be 0.
      batch_size: examples a batch, over all replicas; the last batch may be smaller.
      examples: maps indices `[B]` int64 to a batch.
      share: the parts of every batch to produce, one element each, in the order of the
        replicas; by default the whole batch.

    Returns:
      A dataset of known cardinality, with B None in its element spec.

    Raises:
      ValueError: when `batch_size` is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected 1 or more; got {batch_size}")
    order = on_host(indices.astype(np.int64))

    def part(bounds):
        return examples(order[bounds[0] : bounds[1]])

    stream = tf.data.Dataset.from_tensor_slices(on_host(share.bounds(len(indices), batch_size)))
    stream = stream.map(
        tf.autograph.experimental.do_not_convert(part),
        num_parallel_calls=os.cpu_count(),
        deterministic=True,
    )
    return stream.prefetch(_READY_BATCHES).with_options(_options())


def decoded(
    indices: np.ndarray,
    batch_size: int,
    example: Callable[[tf.Tensor], Any],
    finish: Callable[..., Any],
    share: Share = Share(),
) -> tf.data.Dataset:
    """Streams examples that are expensive to make, one at a time on each processor.

    Args:
      indices: `[n]` integers in the order of the stream, or `[n, k]`, k numbers for each
        example; n may be 0.
      batch_size: examples a batch, over all replicas, before `finish`; the last may be smaller.
      example: maps a scalar int64 index, or `[k]`, to tensors that have the same shape in
        all examples of a batch.
      finish: maps them with a leading dimension `B` to a batch.
      share: as in `batches`.

    Returns:
      A dataset; its cardinality is known unless `share` is one of several replicas.

    Raises:
      ValueError: when `batch_size` is not positive or leaves a replica without an image.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected 1 or more; got {batch_size}")
    bounds = share.bounds(len(indices), batch_size)
    if (bounds[:, 0] == bounds[:, 1]).any():
        raise ValueError(
            f"batch_size: expected an image for each of {share.replicas} replicas in every batch;"
            f" got batch_size={batch_size} for {len(indices)} images, which leaves one without an"
            " image; pass another batch_size"
        )
    mine = indices[share.positions(len(indices), batch_size)]
    stream = tf.data.Dataset.from_tensor_slices(on_host(mine.astype(np.int64)))
    stream = stream.map(
        tf.autograph.experimental.do_not_convert(example),
        num_parallel_calls=os.cpu_count(),
        deterministic=True,
    )
    if share.replicas == 1:
        stream = stream.batch(batch_size)
    else:
        stream = _in_parts(stream, bounds[:, 1] - bounds[:, 0])
    stream = stream.map(tf.autograph.experimental.do_not_convert(finish))
    return stream.prefetch(_READY_LARGE_BATCHES).with_options(_options())


def _in_parts(stream: tf.data.Dataset, sizes: np.ndarray) -> tf.data.Dataset:
    """Batches of varying `sizes`; `Dataset.batch` makes batches of one size only."""
    part_of = on_host(np.repeat(np.arange(len(sizes)), sizes))
    sizes = on_host(sizes.astype(np.int64))
    return stream.enumerate().group_by_window(
        key_func=lambda number, _: part_of[number],
        reduce_func=lambda part, examples: examples.map(lambda _, each: each).batch(sizes[part]),
        window_size_func=lambda part: sizes[part],
    )


def _options() -> tf.data.Options:
    """Options of every stream.

    Where a caller lets `tf.distribute` shard a stream, it does so by element, since there
    are no files. (The training loop asks for its `Share` instead, so that it decodes only
    what its own replicas train on.)

    Autotuning is off: at its end a tuned iterator waits for the tuner's next check, 0.01,
    0.03, 0.07 ... 5.11, 10.23 seconds after it began, so that an epoch of 6 seconds would
    take 10.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options
