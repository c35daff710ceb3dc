"""Offline knowledge distillation: students learn from a teacher that is trained already."""

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import losses, names
from kdcl_tf.serving import teachers

# In the store of a cohort's own variables.
_TEACHERS = "teachers"

__all__ = ["OfflineDistillation"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class OfflineDistillation(Cohort):
    """KD (Hinton, Vinyals and Dean, arXiv:1503.02531): one frozen teacher for all students.

    A student's distillation loss is `T^2 * KL(teacher || student)`, with the teacher's
    prediction on the student's own view.

    Args:
      students: `{name: keras.Model}`, see `Cohort`; one is enough.
      teacher: a built Keras classifier that gives logits, for inputs like the students'
        (its `trainable` is set to False); or the path of an exported student, or of a run
        that has exported one, see `kdcl_tf.teachers.find`; or `{student: teacher}`, where
        students' images differ in more than their distortion.
      temperature: T.
      distillation_weight: lambda.

    A copy by `keras.models.clone_model` has a Keras teacher with new weights, as it has students:
    it needs `copy.set_weights(cohort.get_weights())`.  A cohort whose teacher shares a layer with
    weights with a student, or with another teacher, is neither cloned nor saved as a `.keras` file,
    of which Keras would make that layer twice and fill it once; `save_weights` keeps it.

    Raises:
      ValueError: for a teacher with another number of classes, or one that cannot be loaded, or
        that shares variables that a student trains.
    """

    def __init__(
        self,
        students: dict[str, keras.Model],
        teacher: keras.Model | str | dict[str, keras.layers.Layer],
        temperature: float = 2.0,
        distillation_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        _check_apart(teacher, self.students)
        if isinstance(teacher, dict):
            if set(teacher) != set(students):
                raise ValueError(
                    f"teacher must be one, or a dict with one for each of {sorted(students)}; got "
                    f"keys {sorted(teacher)}"
                )
            self.teacher = {name: teachers.frozen(each) for name, each in teacher.items()}
            if len(teacher) > 1 and len({id(each) for each in teacher.values()}) == 1:
                # Made again of a dict, it would be as many.
                self.teacher = next(iter(self.teacher.values()))
        else:
            self.teacher = teachers.frozen(teacher)
        for each in self._teachers().values():
            classes = teachers.num_classes(each)
            if classes != self.num_classes:
                raise ValueError(
                    f"the teacher must know the students' classes: expected {self.num_classes}; got "
                    f"{classes}"
                )

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        # A teacher sees a view that students share once.
        pairs = {name: (each, views[name]) for name, each in self._teachers().items()}
        keys = {name: (id(each), id(view)) for name, (each, view) in pairs.items()}
        distinct = {keys[name]: pair for name, pair in pairs.items()}
        soft = {key: self._soft_target(*pair) for key, pair in distinct.items()}
        return tf.stack(
            [
                losses.distillation(soft[keys[name]], each, self.temperature)
                for name, each in zip(self.students, tf.unstack(logits))
            ]
        )

    def _teachers(self):
        """`{student: its teacher}`."""
        if isinstance(self.teacher, dict):
            return self.teacher
        return dict.fromkeys(self.students, self.teacher)

    def save_own_variables(self, store: Any) -> None:
        """As every cohort; also the names whose teachers a dict has, in its order."""
        super().save_own_variables(store)
        if isinstance(self.teacher, dict):
            store[_TEACHERS] = names.as_array(self.teacher)

    def load_own_variables(self, store: Any) -> None:
        """Loads what `save_own_variables` saved.

        Raises:
          ValueError: as that of every cohort; also for teachers in another order, by which Keras
            files them.
        """
        own = {key: store[key] for key in store.keys()}
        # They were once saved without it.
        saved = own.pop(_TEACHERS, None)
        super().load_own_variables(own)
        if saved is None or not isinstance(self.teacher, dict):
            return
        if names.from_array(saved) != list(self.teacher):
            raise ValueError(
                f"expected teachers of {', '.join(self.teacher)}, in that order; got those of "
                f"{', '.join(names.from_array(saved))}: give teacher= a dict in that order"
            )

    def get_config(self) -> dict[str, Any]:
        _check_can_be_made_again(self.students, self._teachers())
        teacher = keras.saving.serialize_keras_object(self.teacher)
        return {**super().get_config(), "teacher": teacher}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        teacher = keras.saving.deserialize_keras_object(config["teacher"], custom_objects)
        return super().from_config({**config, "teacher": teacher}, custom_objects)

    def _soft_target(self, teacher, view):
        logits = tf.cast(teacher(view, training=False), tf.float32)
        return tf.nn.softmax(tf.stop_gradient(logits) / self.temperature)


def _check_can_be_made_again(students, own):
    """Refuses models that share weights, which Keras makes of the configuration of each anew."""
    models = {f"student {name!r}": each for name, each in students.items()}
    models |= {f"the teacher of {name!r}": each for name, each in own.items()}
    owners = {}
    for what, model in models.items():
        for weight in model.weights:
            other = owners.setdefault(id(weight), what)
            if models[other] is not model:
                raise ValueError(
                    f"expected a teacher that shares no weights, to clone the cohort or save it as a "
                    f".keras file; got {weight.path} in {other} and in {what}: use save_weights, or "
                    "give each model a layer of its own"
                )


def _check_apart(teacher, students):
    """Refuses a teacher that shares what a student trains, which it would keep from learning.

    They may share what nobody trains, such as a layer that normalises or distorts images.
    """
    given = teacher.values() if isinstance(teacher, dict) else [teacher]
    taught = {id(each): name for name, own in students.items() for each in own.trainable_variables}
    for variable in (each for one in given for each in getattr(one, "variables", ())):
        if id(variable) in taught:
            raise ValueError(
                f"the teacher shares the variable {variable.path} with student "
                f"{taught[id(variable)]!r}, which would not train: give a teacher of its own, such "
                "as keras.models.clone_model with the weights set"
            )
