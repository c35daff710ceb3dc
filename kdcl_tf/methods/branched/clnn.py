"""CLNN: the heads of one network learn from the mean of the others' logits."""

import keras
import tensorflow as tf

from kdcl_tf.methods.branched.branched import Branched
from kdcl_tf.objectives import losses

__all__ = ["CLNN"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class CLNN(Branched):
    """Collaborative learning (Song and Chai, NeurIPS 2018, arXiv:1805.11761).

    Head i learns from softmax(mean of the other heads' logits / T), held constant.  Where the
    network splits, the gradient that flows back is divided by the number of ways, so that
    layers which many heads share move at the pace of those that belong to one.  In a tree
    whose splits are even this makes the gradient of a variable the mean over the heads that
    share it, and that is how it is computed.  Regularisation losses of a layer act on it with
    their whole strength.

    The original weighs both losses, cross-entropy and soft targets, with 1/2.  Here the
    cross-entropy has weight 1, as in every method, and the soft targets have
    `distillation_weight`.  With `distillation_weight=1` the gradient of the losses is 2 g where
    the original's is g.  With a learning rate r and a coefficient d of weight decay that is
    added to the gradient (`CoupledSGD`), a step here is

        r (2 g + d w) = 2 r (g + d / 2 w),

    the original's with the rate 2 r and the decay d / 2.  So the original's steps of rate r
    and decay d, with any momentum, are those of rate r / 2 and decay 2 d here.

    Args:
      students: heads, see `Branched`; four in the paper, in a binary tree.
      temperature: T, 2 in the paper.
      distillation_weight: of the soft targets; 1 weighs them like the labels.
    """

    def __init__(
        self,
        students: dict[str, keras.Model],
        temperature: float = 2.0,
        distillation_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        heads = tf.unstack(logits)
        return tf.stack(
            [
                losses.distillation(self._soft_target(heads, index), own, self.temperature)
                for index, own in enumerate(heads)
            ]
        )

    def penalties(self) -> list[tf.Tensor]:
        """As of every cohort, with gradients that `transform_gradients` makes whole again."""
        (whole,) = super().penalties()
        for layer in self.network.layers:
            heads = sum(layer in student.layers for student in self.students.values())
            if heads > 1 and layer.losses:
                own = tf.add_n([tf.cast(each, tf.float32) for each in layer.losses])
                whole += (heads - 1) * (own - tf.stop_gradient(own))
        return [whole]

    def transform_gradients(
        self, gradients: list[tf.Tensor | None], variables: list[keras.Variable]
    ) -> list[tf.Tensor | None]:
        """Divides each gradient by the number of heads that share its variable."""
        return [
            None if gradient is None else gradient / max(1, self.owners(variable))
            for gradient, variable in zip(gradients, variables)
        ]

    def _soft_target(self, heads, index):
        # A sum of the others, not of all less its own: masked logits are -inf.
        others = heads[:index] + heads[index + 1 :]
        mean = tf.stop_gradient(tf.add_n(others)) / len(others)
        return tf.nn.softmax(mean / self.temperature)
