"""ONE: branches of one network learn from their gated ensemble."""

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.methods.branched import gate
from kdcl_tf.methods.branched.branched import Branched
from kdcl_tf.objectives import losses, ramp_up

__all__ = ["ONE"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class ONE(Branched):
    """On-the-fly native ensemble (Lan, Zhu and Gong, NeurIPS 2018, arXiv:1806.04606).

    A gate on the shared features, dense -> batch norm -> ReLU -> softmax, weighs the
    branches' logits; their weighted sum is the teacher.  The loss is

        sum_i CE_i + CE_teacher + distillation_weight * ramp * T^2 * sum_i KL(teacher || i)

    with the teacher constant in KL.  `ramp` rises as exp(-5 (1 - step / ramp_up_steps)^2)
    to 1, by which time the teacher is worth listening to.  The ensemble whose accuracy is
    reported is the teacher.

    Args:
      students: branches, see `Branched`; three in the paper.
      temperature: T, 3 in the paper.
      distillation_weight: times the ramp.
      ramp_up_steps: steps of the optimizer until `ramp` is 1; 0 for 1 from the start.
    """

    def __init__(
        self,
        students: dict[str, keras.Model],
        temperature: float = 3.0,
        distillation_weight: float = 1.0,
        ramp_up_steps: int = 0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        if not ramp_up_steps >= 0:
            raise ValueError(f"ramp_up_steps must be >= 0; got {ramp_up_steps}")
        self.ramp_up_steps = ramp_up_steps

    def companions(self) -> list[keras.KerasTensor]:
        """The teacher, the last row of the logits."""
        return [gate.teacher(self.students)]

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        *branches, teacher = tf.unstack(logits)
        soft = tf.nn.softmax(tf.stop_gradient(teacher) / self.temperature)
        return self.ramp * tf.stack(
            [losses.distillation(soft, each, self.temperature) for each in branches]
        )

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        """`[B, C]`: the teacher's probabilities."""
        return tf.nn.softmax(logits[-1])

    @property
    def ramp(self) -> tf.Tensor | float:
        """The scalar in 0..1 that the distillation loss is multiplied by at this step.

        It is 1 as long as there is no optimizer, whose steps it follows.
        """
        if not self.ramp_up_steps or getattr(self, "optimizer", None) is None:
            return 1.0
        step = tf.cast(self.optimizer.iterations, tf.float32)
        share = tf.minimum(step / float(self.ramp_up_steps), 1.0)
        return tf.exp(ramp_up.exponent(share))

    def filed_by_position(self) -> str:
        return "the gate's weights are"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ramp_up_steps": self.ramp_up_steps}
