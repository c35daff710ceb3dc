"""Clipping of gradients by a Keras optimizer, of their sum over all replicas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.optimizers.parts import parts

__all__ = ["clip_sum_of_replicas", "clips"]


def clips(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer has `clipnorm`, `global_clipnorm` or `clipvalue`."""
    return any(part.clipnorm or part.global_clipnorm or part.clipvalue for part in parts(optimizer))


def clip_sum_of_replicas(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a Keras optimizer clip the gradient of a whole batch, as it does on one device.

    By itself it clips each replica's part and then sums: of D replicas the sum could be D times as
    large.  The gradients are summed over the replicas once more for it.

    Args:
      optimizer: that may have been given to this function before, or have a loss scale, which the
        gradients are divided by before they are clipped.  A `MultiOptimizer`'s own ones are known
        when it is built.
    """
    for part in parts(optimizer):
        # Of the class, so that a second call changes nothing.
        clip = functools.partial(type(part)._clip_gradients, part)
        part._clip_gradients = functools.partial(_clip_sum, part, clip)


def _clip_sum(
    optimizer: keras.optimizers.Optimizer,
    clip: Callable[[list[Any]], list[Any]],
    gradients: list[Any],
) -> list[Any]:
    """What the replica's optimizer sums over replicas: an equal share of the clipped sum."""
    replica = tf.distribute.get_replica_context()
    if not clips(optimizer) or replica is None or replica.num_replicas_in_sync == 1:
        return clip(gradients)
    dense = [tf.convert_to_tensor(each) for each in gradients]
    found = clip(replica.all_reduce(tf.distribute.ReduceOp.SUM, dense))
    return [each / replica.num_replicas_in_sync for each in found]
