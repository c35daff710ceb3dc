"""Vanilla training: the same students, side by side, with no exchange."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort

__all__ = ["Independent"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class Independent(Cohort):
    """Students that take the same steps and learn from the labels alone: the baseline.

    Args: as `Cohort`; temperature and weight change nothing.
    """

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        return tf.zeros(tf.shape(logits)[:2])
