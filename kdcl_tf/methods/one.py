"""ONE: branches of one network learn from their gated ensemble."""

import keras
import tensorflow as tf

from kdcl_tf import losses
from kdcl_tf.branched import Branched


@keras.saving.register_keras_serializable(package="kdcl_tf")
class ONE(Branched):
    """On-the-fly native ensemble (Lan, Zhu and Gong, NeurIPS 2018, arXiv:1806.04606).

    A gate on the shared features, dense -> batch norm -> ReLU -> softmax, weighs the
    branches' logits; their weighted sum is the teacher.  The loss is

        sum_i CE_i + CE_teacher + distillation_weight * ramp * T^2 * sum_i KL(teacher || i)

    with the teacher constant in KL.  `ramp` rises as exp(-5 (1 - step / ramp_up_steps)^2)
    to 1, by which time the teacher is worth listening to.

    Args:
      students: branches, see `Branched`; three in the paper.
      temperature: T, 3 in the paper.
      distillation_weight: times the ramp.
      ramp_up_steps: steps of the optimizer until `ramp` is 1; 0 for 1 from the start.
    """

    def __init__(
        self, students, temperature=3.0, distillation_weight=1.0, ramp_up_steps=0, **kwargs
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        if not ramp_up_steps >= 0:
            raise ValueError(f"ramp_up_steps must be >= 0; got {ramp_up_steps}")
        self.ramp_up_steps = ramp_up_steps

    def create_network(self, images, logits):
        gate = _gate(_shared_features(self.students), len(logits))
        stacked = keras.ops.stack([keras.ops.cast(each, "float32") for each in logits], axis=1)
        teacher = keras.ops.sum(gate[:, :, None] * stacked, axis=1)
        return keras.Model(images, [*logits, teacher], name="network")

    def run(self, views, training=False):
        *logits, teacher = self.network(next(iter(views.values())), training=training)
        return tf.stack([tf.cast(each, tf.float32) for each in logits]), {"teacher": teacher}

    def distillation_losses(self, logits, labels, views, teacher):
        soft = tf.nn.softmax(tf.stop_gradient(teacher) / self.temperature)
        return self.ramp * tf.stack(
            [losses.distillation(soft, each, self.temperature) for each in tf.unstack(logits)]
        )

    def teacher_losses(self, labels, teacher):
        return losses.cross_entropy(labels, teacher)

    def average(self, logits, teacher):
        return tf.nn.softmax(teacher)

    @property
    def ramp(self):
        """The scalar in 0..1 that the distillation loss is multiplied by at this step."""
        if not self.ramp_up_steps or self.optimizer is None:
            return 1.0
        step = tf.cast(self.optimizer.iterations, tf.float32)
        share = tf.minimum(step / float(self.ramp_up_steps), 1.0)
        return tf.exp(-5.0 * (1.0 - share) ** 2)

    def get_config(self):
        return {**super().get_config(), "ramp_up_steps": self.ramp_up_steps}


def _gate(features, branches):
    """`[B, H, W, C]` or `[B, C]` -> `[B, branches]`, weights that sum to 1."""
    x = features
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="gate_pool")(x)
    x = keras.layers.Dense(branches, dtype="float32", name="gate_logits")(x)
    x = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, dtype="float32", name="gate_norm"
    )(x)
    x = keras.layers.ReLU(dtype="float32", name="gate_relu")(x)
    return keras.layers.Softmax(dtype="float32", name="gate_softmax")(x)


def _shared_features(students):
    """What the branches part from: the output of the last operation that all of them have."""
    first, *others = [student.operations for student in students.values()]
    known = [{id(operation) for operation in other} for other in others]
    shared = [each for each in first if all(id(each) in other for other in known)]
    # A layer that each branch calls by itself, such as one Flatten, gives many outputs.
    outputs = [_only_output(each) for each in shared]
    return [output for output in outputs if output is not None][-1]


def _only_output(operation):
    try:
        return operation.output
    except AttributeError:
        return None
