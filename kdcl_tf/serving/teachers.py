"""Teachers that are trained already: a Keras model, or a student of ours that was exported."""

import pathlib

import keras

from kdcl_tf.cohort.membership import check_classifier, output_shape
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import exported, saved_model as serving

__all__ = ["ServedTeacher", "find", "frozen", "num_classes"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class ServedTeacher(keras.layers.Layer):
    """An exported student as a teacher: normalised images `[B, H, W, C]` -> logits `[B, C]`.

    It has no variables that could be trained, and a cohort saved with it holds its path.

    Args:
      path: see `find`.
      mean, deviation: per channel, in units of 0..1, with which the images it is going to
        see are normalised; by default those of the data it was trained on.

    Raises:
      ValueError: when there is no exported student at the path.
    """

    def __init__(self, path, mean=None, deviation=None, **kwargs):
        super().__init__(**{**kwargs, "trainable": False})
        self.folder = str(path)
        self._predict, self.card = serving.load_student(find(path))
        given = {"mean": mean, "deviation": deviation}
        given = {name: value for name, value in given.items() if value is not None}
        self.normalization = Normalization.from_card({**self.card, **given})

    def call(self, images, training=False):
        return self._predict(self.normalization.fractions(images))["logits"]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.card["num_classes"])

    def get_config(self):
        own = {"path": self.folder, **self.normalization.as_card()}
        return {**super().get_config(), **own}


def frozen(teacher):
    """The teacher as a layer that will not train: images -> logits.

    Args:
      teacher: a built `keras.Model` that gives logits, whose `trainable` is set to False; a
        `ServedTeacher`; or a path, see `find`.

    Raises:
      ValueError: when it is none of these.
    """
    if isinstance(teacher, (str, pathlib.Path)):
        return ServedTeacher(teacher)
    if not isinstance(teacher, ServedTeacher):
        check_classifier("the teacher", teacher)
        teacher.trainable = False
    return teacher


def num_classes(teacher):
    """C of what `frozen` gave."""
    if isinstance(teacher, ServedTeacher):
        return teacher.card["num_classes"]
    return output_shape(teacher)[-1]


def find(path):
    """The folder of the exported student that a path means.

    Args:
      path: that folder, such as WORKDIR/students/NAME, or a WORKDIR with one student.

    Raises:
      ValueError: when there is none, or more than one to choose from.
    """
    path = pathlib.Path(path).expanduser()
    found = exported.find_students(path)
    if len(found) > 1:
        raise ValueError(
            f"teacher {path} is a run with several students, pass one: "
            + ", ".join(str(each) for each in found)
        )
    if not found:
        raise ValueError(
            f"teacher {path} is not there: wanted a student that was exported, such as "
            "WORKDIR/students/NAME, or a finished run of one student"
        )
    return found[0]
