"""Offline knowledge distillation: students learn from a teacher that is trained already."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import losses
from kdcl_tf.serving import teachers


@keras.saving.register_keras_serializable(package="kdcl_tf")
class OfflineDistillation(Cohort):
    """KD (Hinton, Vinyals and Dean, arXiv:1503.02531): a frozen teacher for every student.

    A student loses `T^2 * KL(teacher || student)` to what the teacher says of the same view.

    Args:
      students: `{name: keras.Model}`, see `Cohort`; one is enough.
      teacher: a built Keras classifier that gives logits, for inputs like the students'
        (its `trainable` is set to False); or the path of a student that was exported, or
        of a run that has exported one, see `kdcl_tf.teachers.find`.
      temperature: T.
      distillation_weight: lambda.

    Raises:
      ValueError: for a teacher of other classes, or one that cannot be loaded.
    """

    def __init__(self, students, teacher, temperature=2.0, distillation_weight=1.0, **kwargs):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        self.teacher = teachers.frozen(teacher)
        classes = teachers.num_classes(self.teacher)
        if classes != self.num_classes:
            raise ValueError(
                f"the teacher knows {classes} classes, the students {self.num_classes}: they "
                "must be trained on the same ones"
            )

    def distillation_losses(self, logits, labels, views):
        # A view that students share is looked at once.
        distinct = {id(view): view for view in views.values()}
        soft = {key: self._soft_target(view) for key, view in distinct.items()}
        return tf.stack(
            [
                losses.distillation(soft[id(views[name])], each, self.temperature)
                for name, each in zip(self.students, tf.unstack(logits))
            ]
        )

    def get_config(self):
        teacher = keras.saving.serialize_keras_object(self.teacher)
        return {**super().get_config(), "teacher": teacher}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        teacher = keras.saving.deserialize_keras_object(config["teacher"], custom_objects)
        return super().from_config({**config, "teacher": teacher}, custom_objects)

    def _soft_target(self, view):
        logits = tf.cast(self.teacher(view, training=False), tf.float32)
        return tf.nn.softmax(tf.stop_gradient(logits) / self.temperature)
