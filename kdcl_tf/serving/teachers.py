"""Teachers that are already trained: a Keras model, or an exported student."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.membership import check_classifier, input_shape, output_shape
from kdcl_tf.data.normalization import KEPT, Normalization
from kdcl_tf.serving import classes, saved_model
from kdcl_tf.serving.teacher_sources import find, source_of
from kdcl_tf.students import precision
from kdcl_tf.students.weights import fitting, found as found_lib, reading

__all__ = ["ServedTeacher", "find", "frozen", "num_classes"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class ServedTeacher(keras.layers.Layer):
    """An exported student as a teacher: normalised images `[B, H, W, C]` -> logits `[B, C]`.

    It has no trainable variables.  A cohort that is saved with it saves its path.

    Args:
      path: see `teacher_sources.source_of`.
      mean, deviation: per channel, in units of 0..1, of the normalisation that its inputs
        have; by default that of the data it was trained on.
      class_names: the names of the students' classes, in whose order its logits come; by
        default its own.
      match_classes: how the two are matched, one of `serving.classes.MATCHES`.
      channels: the order of its inputs' channels, as in `data.Normalization`; with `mean`, by
        default as they are.
      image_shape: (height, width, channels) of its inputs, where weights do not say.
      own_normalization: of the images that it was trained on, as in a card, where nothing beside
        its weights says so; by default that of its inputs.

    Raises:
      ValueError: when there is no exported student at the path, or its classes are not the
        students'.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        mean: Sequence[float] | None = None,
        deviation: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
        match_classes: str = "name",
        channels: str | None = None,
        image_shape: Sequence[int] | None = None,
        own_normalization: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{**kwargs, "trainable": False})
        self.folder = str(path)
        given = {"mean": mean, "deviation": deviation, "channels": channels}
        if mean is not None and channels is None:
            given["channels"] = KEPT
        given = {name: value for name, value in given.items() if value is not None}
        source = source_of(path)
        if source.kind == "saved_model":
            self._predict, self.card = saved_model.load_student(str(source.path))
        else:
            self._predict, self.card = _of_weights(
                source, own_normalization or given, class_names, image_shape
            )
        self.normalization = Normalization.from_card({**self.card, **given})
        own = self.card["class_names"]
        self.class_names = tuple(own if class_names is None else class_names)
        self.match_classes = match_classes
        self._order = classes.order(
            own,
            self.class_names,
            student="the teacher",
            dataset="the data set",
            match=match_classes,
        )
        if len(self.class_names) != len(own):
            raise ValueError(
                f"expected a teacher of the students' {len(self.class_names)} classes alone; got "
                f"{self.folder} of {len(own)}"
            )

    def renormalized(self, normalization: Normalization) -> ServedTeacher:
        """The same teacher, its variables too, for inputs of another normalisation."""
        other = copy.copy(self)
        other.normalization = normalization
        return other

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        # Distorted views may leave 0..1.
        pixels = self.normalization.fractions(images)
        logits = self._predict(pixels, check_range=False)["logits"]
        is_same = self._order == list(range(len(self._order)))
        return logits if is_same else tf.gather(logits, self._order, axis=1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        return (input_shape[0], self.card["num_classes"])

    def get_config(self) -> dict[str, Any]:
        own = {
            "path": self.folder,
            **self.normalization.as_card(),
            "class_names": list(self.class_names),
            "match_classes": self.match_classes,
            "image_shape": list(self.card["image_shape"]),
            # Another than `mean` and `deviation` where it is used for other inputs.
            "own_normalization": Normalization.from_card(self.card).as_card(),
        }
        return {**super().get_config(), **own}


def frozen(teacher: keras.Model | ServedTeacher | str | os.PathLike) -> keras.layers.Layer:
    """The teacher as a layer that does not train: images -> logits.

    Args:
      teacher: a built `keras.Model` that gives logits, whose `trainable` is set to False; a
        `ServedTeacher`; or a path, see `find`.

    Raises:
      ValueError: when it is none of these.
    """
    if isinstance(teacher, (str, os.PathLike)):
        return ServedTeacher(teacher)
    if not isinstance(teacher, ServedTeacher):
        check_classifier("the teacher", teacher)
        teacher.trainable = False
    return teacher


def num_classes(teacher: keras.layers.Layer) -> int:
    """The number of classes of a teacher that `frozen` returned."""
    if isinstance(teacher, ServedTeacher):
        return teacher.card["num_classes"]
    return output_shape(teacher)[-1]


def _of_weights(source, like, class_names, image_shape):
    """`(predict, card)` of a teacher that is no SavedModel, as `saved_model.load_student`.

    What it does not say is taken to be as in the normalisation `like`, and the students' classes.
    """
    shape = source.image_shape or (tuple(image_shape) if image_shape else None)
    student = reading.student(source.path or source.where, source.architecture, shape)
    if source.kind == "keras":
        check_classifier(f"the teacher {source.where}", student)
    own = input_shape(student)[1:]
    # Of a model for images of any size, those that it is given.
    shape = [given if size is None else size for size, given in zip(own, shape or own)]
    if source.kind == "keras" and source.named:
        _check_architecture(student, source, shape)
    student.trainable = False
    student = precision.in_float32(student)
    pixels = source.normalization or (Normalization.from_card(like) if "mean" in like else None)
    if pixels is None:
        raise ValueError(
            f"{source.where} does not say how its images were normalised: give mean and deviation"
        )
    count = output_shape(student)[-1]
    names = source.class_names or class_names or [str(number) for number in range(count)]
    if len(names) != count:
        raise ValueError(
            f"expected a teacher of the students' {len(names)} classes alone; got {source.where} of "
            f"{count}"
        )
    card = {
        "class_names": list(names),
        "num_classes": count,
        "image_shape": list(shape),
        **pixels.as_card(),
    }

    # In a closure: the variables of a teacher are none of the cohort's.
    def predict(images, check_range=True):
        return {"logits": student(pixels.apply_fractions(images), training=False)}

    return predict, card


def _check_architecture(model, source, shape):
    """Refuses a `.keras` file that is not of the architecture that it is named by."""
    # A card only says what kdcl-export built; an older version's file has layers of its own.
    found = found_lib.of_model(model)
    skeleton = reading.skeleton(source.architecture, None if None in shape else tuple(shape))
    fitting.check(skeleton, found, where=source.where, architecture=source.architecture)
