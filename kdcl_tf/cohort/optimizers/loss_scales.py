"""Loss scales of optimizers, for students that compute in float16."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

__all__ = ["scale_apart", "scale_gradient", "with_common_overflow", "with_loss_scale"]


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, students: Iterable[keras.Model]
) -> keras.optimizers.Optimizer:
    """The optimizer, with a dynamic loss scale where a student computes in float16.

    Keras's own `compile` looks at the policy of the model alone, and students have policies of
    their own.
    """
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if is_scaled or not any(_computes_in_float16(each) for each in students):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, name=f"loss_scale_{optimizer.name}")


def _computes_in_float16(student):
    return any(each.compute_dtype == "float16" for each in student._flatten_layers())


def scale_apart(optimizer: Any) -> bool:
    """Whether students have optimizers of their own, and one of these has a loss scale.

    Args:
      optimizer: one for all students, or `StudentOptimizers`, or None.
    """
    return any(
        isinstance(each, keras.optimizers.LossScaleOptimizer) or each.loss_scale_factor is not None
        for each in getattr(optimizer, "by_student", {}).values()
    )


def scale_gradient(tensor: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """The tensor itself, whose gradient goes on `scale` times as large."""
    return tf.custom_gradient(lambda x: (tf.identity(x), lambda gradient: gradient * scale))(tensor)


def with_common_overflow(
    optimizer: keras.optimizers.Optimizer, gradients: list[tf.Tensor | None]
) -> list[tf.Tensor | None]:
    """A replica's gradients, which are NaN where those of any replica are not finite.

    A `LossScaleOptimizer` leaves out a step that overflowed, which Keras decides by the first
    replica's gradients alone: an overflow on another one would be summed into all weights.

    Args:
      optimizer: that gets the gradients; without a loss scale they stay as they are.
      gradients: one for each variable, None where the loss does not depend on it.
    """
    replica = tf.distribute.get_replica_context()
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if not is_scaled or replica is None or replica.num_replicas_in_sync == 1:
        return gradients
    dense = [None if each is None else tf.convert_to_tensor(each) for each in gradients]
    finite = [tf.reduce_all(tf.math.is_finite(each)) for each in dense if each is not None]
    if not finite:
        return gradients  # Keras says that there are none.
    overflows = tf.cast(~tf.reduce_all(tf.stack(finite)), tf.float32)
    overflows = replica.all_reduce(tf.distribute.ReduceOp.SUM, overflows)
    return [
        None if each is None else tf.where(overflows > 0, tf.constant(math.nan, each.dtype), each)
        for each in dense
    ]
