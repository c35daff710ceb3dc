"""Stochastic gradient descent with the weight decay of the paper's framework."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kdcl_tf")
class CoupledSGD(keras.optimizers.SGD):
    """SGD as in PyTorch: `v = momentum * v + (g + wd * w)`, then `w -= rate * v`.

    Keras's own differs twice.  Its `weight_decay` is decoupled, which at momentum 0.9
    shrinks weights about ten times less for the same number.  And its velocity holds the
    rate, so that after a drop by ten the old steps go on for a while at the old rate; here
    they drop with it.  Every trainable variable decays, batch normalisation's included.

    Args:
      coupled_weight_decay: wd, >= 0.
      Others: as `keras.optimizers.SGD`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        coupled_weight_decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, momentum=momentum, **kwargs)
        if coupled_weight_decay < 0:
            raise ValueError(f"expected coupled_weight_decay >= 0; got {coupled_weight_decay}")
        self.coupled_weight_decay = float(coupled_weight_decay)

    def update_step(self, gradient, variable, learning_rate) -> None:
        # Here, and not where gradients are made: this runs after they are summed over
        # replicas, so the decay is added once.
        weight = tf.convert_to_tensor(variable)
        gradient = tf.cast(tf.convert_to_tensor(gradient), weight.dtype)
        change = gradient + tf.cast(self.coupled_weight_decay, weight.dtype) * weight
        if self.momentum:
            change = self._through_momentum(change, variable)
        self.assign_sub(variable, tf.cast(learning_rate, weight.dtype) * change)

    def _through_momentum(self, change, variable):
        velocity = self.momentums[self._get_variable_index(variable)]
        momentum = tf.cast(self.momentum, change.dtype)
        moved = momentum * tf.convert_to_tensor(velocity) + change
        self.assign(velocity, moved)
        return change + momentum * moved if self.nesterov else moved

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "coupled_weight_decay": self.coupled_weight_decay}
