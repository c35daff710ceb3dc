"""Deep mutual learning: every student imitates every other."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import losses

__all__ = ["MutualLearning"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class MutualLearning(Cohort):
    """DML (Zhang et al., CVPR 2018): the mean divergence from each peer.

    Student i adds `T^2 / (M - 1) * sum_j KL(p_j || p_i)`, with the peers' `p_j` constant
    and T = 1 by default.  All students step at once, from the same forward passes; the
    original alternates.  A student alone has nobody to learn from.

    Args: as `Cohort`.
    """

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        students = logits.shape[0]
        if students == 1:
            return tf.zeros(tf.shape(logits)[:2])
        peers = tf.nn.softmax(tf.stop_gradient(logits) / self.temperature)
        return tf.stack(
            [
                tf.add_n(
                    [
                        losses.distillation(peers[j], logits[i], self.temperature)
                        for j in range(students)
                        if j != i
                    ]
                )
                / (students - 1)
                for i in range(students)
            ]
        )
