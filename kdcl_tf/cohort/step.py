"""What a cohort computes from a batch, before anything is updated."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from kdcl_tf.objectives import losses

__all__ = ["Step"]


class Step(NamedTuple):
    """The tensors of one step.

    The first M of N rows belong to the students; the others to companions, which train along
    and learn from the labels alone.  Losses are in nats, weighted by `sample_weight`.  A weight
    of 0 leaves a loss out, even an infinite one.

    Attributes:
      logits: `[N, B, C]` float32.
      cross_entropy: `[N, B]`.
      distillation_loss: `[M, B]`, before `distillation_weight`.
      loss: `[N, B]`, the sum of both, the second with its weight.
      penalties: scalars, the regularisation losses of the networks that ran.
    """

    logits: tf.Tensor
    cross_entropy: tf.Tensor
    distillation_loss: tf.Tensor
    loss: tf.Tensor
    penalties: list[tf.Tensor]

    @classmethod
    def create(
        cls,
        logits: tf.Tensor,
        labels: tf.Tensor,
        distillation: tf.Tensor,
        distillation_weight: float,
        sample_weight: tf.Tensor | None,
        penalties: list[tf.Tensor],
    ) -> Step:
        """The step of a batch whose logits and distillation losses are known.

        Args:
          logits: `[N, B, C]`.
          labels: `[B]` classes or `[B, C]` probabilities.
          distillation: `[M, B]`, not yet weighted, with M <= N.
          distillation_weight: lambda.
          sample_weight: `[B]` or `[B, 1]`, or None for 1 each.
          penalties: scalars.
        """
        cross_entropy = tf.stack(
            [losses.cross_entropy(labels, each) for each in tf.unstack(logits)]
        )
        if sample_weight is not None:
            weights = tf.reshape(tf.cast(sample_weight, tf.float32), [-1])
            cross_entropy = tf.math.multiply_no_nan(cross_entropy, weights)
            distillation = tf.math.multiply_no_nan(distillation, weights)
        students = distillation.shape[0]
        weighted = tf.math.multiply_no_nan(distillation, tf.cast(distillation_weight, tf.float32))
        loss = cross_entropy[:students] + weighted
        loss = tf.concat([loss, cross_entropy[students:]], axis=0)
        return cls(logits, cross_entropy, distillation, loss, penalties)

    def objectives(self, examples: tf.Tensor, shares: int) -> list[tf.Tensor]:
        """One scalar for each of the N rows, what the optimizer minimises.

        Summed over rows, parts and replicas they are the loss of the whole batch.

        Args:
          examples: how many the whole batch has, over all parts and replicas.
          shares: the number of parts times that of replicas, each of which adds the penalties.
        """
        objectives = tf.unstack(tf.reduce_sum(self.loss, axis=1) / examples)
        for index, each in enumerate(self.penalties):
            objectives[index] += each / shares
        return objectives
