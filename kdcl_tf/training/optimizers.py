"""Stochastic gradient descent with the weight decay of the paper's framework."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="kdcl_tf")
class CoupledSGD(keras.optimizers.SGD):
    """SGD whose weight decay goes through the momentum: `g + wd * w` takes g's place.

    Keras's own `weight_decay` is decoupled, which at momentum 0.9 shrinks weights about
    ten times less for the same number.  Every trainable variable decays, batch
    normalisation's included.

    Args:
      coupled_weight_decay: wd, >= 0.
      Others: as `keras.optimizers.SGD`.
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, coupled_weight_decay=0.0, **kwargs):
        super().__init__(learning_rate=learning_rate, momentum=momentum, **kwargs)
        if coupled_weight_decay < 0:
            raise ValueError(f"coupled_weight_decay must be >= 0; got {coupled_weight_decay}")
        self.coupled_weight_decay = float(coupled_weight_decay)

    def update_step(self, gradient, variable, learning_rate):
        # Here, and not where gradients are made: this runs after they are summed over
        # replicas, so the decay is added once.
        gradient = tf.convert_to_tensor(gradient)
        decay = tf.cast(self.coupled_weight_decay, gradient.dtype)
        gradient += decay * tf.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "coupled_weight_decay": self.coupled_weight_decay}
