"""Teachers that are already trained: a Keras model, or an exported student."""

from __future__ import annotations

import copy
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.membership import check_classifier, input_shape, output_shape
from kdcl_tf.data.normalization import KEPT, Normalization
from kdcl_tf.serving import classes, exported, saved_model, weight_sources
from kdcl_tf.serving.weight_sources import WeightSource
from kdcl_tf.students import precision
from kdcl_tf.students.weights import fitting, found as found_lib, reading

__all__ = ["ServedTeacher", "find", "frozen", "num_classes", "source_of"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class ServedTeacher(keras.layers.Layer):
    """An exported student as a teacher: normalised images `[B, H, W, C]` -> logits `[B, C]`.

    It has no trainable variables.  A cohort that is saved with it saves its path.

    Args:
      path: see `source_of`.
      mean, deviation: per channel, in units of 0..1, of the normalisation that its inputs
        have; by default that of the data it was trained on.
      class_names: the names of the students' classes, in whose order its logits come; by
        default its own.
      match_classes: how the two are matched, one of `serving.classes.MATCHES`.
      channels: the order of its inputs' channels, as in `data.Normalization`; with `mean`, by
        default as they are.
      image_shape: (height, width, channels) of its inputs, where weights do not say.

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
            self._predict, self.card = _of_weights(source, given, class_names, image_shape)
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


def source_of(path: str | os.PathLike) -> WeightSource:
    """The weights of the teacher that a path, or `ARCHITECTURE=SOURCE`, stands for.

    Args:
      path: as `find`; or a `.keras`, `.weights.h5` or `.safetensors` file, or "imagenet", with
        the name of the student that it is of where no card says so, such as
        `resnet50=FILE.safetensors`.

    Raises:
      ValueError: when there is none, or more than one.
    """
    text = os.fspath(path)
    file = pathlib.Path(text).expanduser()
    if file.is_dir() or (not file.exists() and "=" not in text):
        return weight_sources.weight_source(find(file))
    return weight_sources.named_source(text)


def _of_weights(source, given, class_names, image_shape):
    """`(predict, card)` of a teacher that is no SavedModel, as `saved_model.load_student`.

    What it does not say is taken to be the students': its normalisation and its classes.
    """
    shape = source.image_shape or (tuple(image_shape) if image_shape else None)
    student = reading.student(source.path or source.where, source.architecture, shape)
    if source.kind == "keras":
        _check_model(student, source)
    student.trainable = False
    student = precision.in_float32(student)
    pixels = source.normalization or (Normalization.from_card(given) if "mean" in given else None)
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
        "image_shape": list(input_shape(student)[1:]),
        **pixels.as_card(),
    }

    # In a closure: the variables of a teacher are none of the cohort's.
    def predict(images, check_range=True):
        return {"logits": student(pixels.apply_fractions(images), training=False)}

    return predict, card


def _check_model(model, source):
    """Refuses a `.keras` file that gives no logits, or is not of the architecture it is named by."""
    check_classifier(f"the teacher {source.where}", model)
    # A card only says what kdcl-export built; an older version's file has layers of its own.
    if source.named:
        name, shape = source.architecture, tuple(input_shape(model)[1:])
        found = found_lib.of_model(model)
        skeleton = reading.skeleton(name, None if None in shape else shape)
        fitting.check(skeleton, found, where=source.where, architecture=name)


def find(path: str | os.PathLike) -> pathlib.Path:
    """The folder of the exported student that a path stands for.

    Args:
      path: that folder, such as WORKDIR/students/NAME, or a WORKDIR with one student.

    Raises:
      ValueError: when there is none, or more than one.
    """
    path = pathlib.Path(path).expanduser()
    found = exported.find_students(path, ensembles=False)
    if len(found) > 1:
        raise ValueError(
            f"expected one student as the teacher; got {path}, a run of {len(found)}: choose one "
            "of " + ", ".join(str(each) for each in found)
        )
    if not found:
        raise ValueError(
            "expected an exported student as the teacher, such as WORKDIR/students/NAME, or a "
            f"finished run of one student; got {path}, which has none"
        )
    return found[0]
