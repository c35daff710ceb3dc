"""The optimizers of a run; gradient descent with the weight decay of the paper's framework."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.training.settings import TrainingSettings

__all__ = ["CoupledSGD", "create"]


def create(
    settings: TrainingSettings,
    learning_rate: keras.optimizers.schedules.LearningRateSchedule,
    name: str = "optimizer",
) -> keras.optimizers.Optimizer:
    """Creates the optimizer of the settings.

    Args:
      settings: of the run; `momentum` is for "sgd" alone.
      learning_rate: from steps to rates.
      name: of the optimizer.
    """
    options = {"learning_rate": learning_rate, "name": name, **settings.optimizer_options}
    if settings.optimizer == "sgd":
        return CoupledSGD(
            momentum=settings.momentum, coupled_weight_decay=settings.weight_decay, **options
        )
    # Not `keras.optimizers.get`, which does not know lamb: names differ by capital letters alone.
    classes = {each.lower(): each for each in dir(keras.optimizers)}
    kind = getattr(keras.optimizers, classes[settings.optimizer])
    return kind(weight_decay=settings.weight_decay, **options)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class CoupledSGD(keras.optimizers.SGD):
    """SGD as in PyTorch: `v = momentum * v + (g + wd * w)`, then `w -= rate * v`.

    Keras's own differs twice.  Its `weight_decay` is decoupled, which at momentum 0.9
    shrinks weights about ten times less for the same number.  And its velocity holds the
    rate, so that after a drop by ten the old steps go on for a while at the old rate; here
    they drop with it.  Every trainable variable decays, batch normalisation's included, but
    those that `exclude_from_weight_decay` names.

    Args:
      learning_rate, momentum: as in `keras.optimizers.SGD`.
      coupled_weight_decay: wd, >= 0.
      **kwargs: further arguments of `keras.optimizers.SGD`, such as `nesterov`. Its
        `weight_decay` is Keras's own, decoupled.

    Raises:
      ValueError: for a weight decay below 0.
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
        change = gradient
        if self._use_weight_decay(variable):
            change += tf.cast(self.coupled_weight_decay, weight.dtype) * weight
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
