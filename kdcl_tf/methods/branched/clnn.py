"""CLNN: the heads of one network learn from the mean of the others' logits."""

import keras
import tensorflow as tf

from kdcl_tf.methods.branched.branched import Branched
from kdcl_tf.objectives import losses


@keras.saving.register_keras_serializable(package="kdcl_tf")
class CLNN(Branched):
    """Collaborative learning (Song and Chai, NeurIPS 2018, arXiv:1805.11761).

    Head i learns from softmax(mean of the other heads' logits / T), held constant.  Where
    the network splits, the gradient that flows back is divided by the number of ways, see
    `Branched`.

    The original weighs both losses with 1/2; here as in every method the cross-entropy has
    weight 1, which is the same up to a factor of the learning rate.

    Args:
      students: heads, see `Branched`; four in the paper, in a binary tree.
      temperature: T, 2 in the paper.
      distillation_weight: of the soft targets, 1 for equal parts.
    """

    def __init__(self, students, temperature=2.0, distillation_weight=1.0, **kwargs):
        super().__init__(students, temperature, distillation_weight, rescaled=True, **kwargs)

    def distillation_losses(self, logits, labels, views):
        others = len(self.students) - 1
        constant = tf.stop_gradient(logits)
        means = (tf.reduce_sum(constant, axis=0) - constant) / others
        soft = tf.nn.softmax(means / self.temperature)
        return tf.stack(
            [
                losses.distillation(*pair, self.temperature)
                for pair in zip(tf.unstack(soft), tf.unstack(logits))
            ]
        )
