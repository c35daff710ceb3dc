"""Reads any source of weights, as the variables of a student of a known architecture."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import keras

from kdcl_tf import students
from kdcl_tf.students import names
from kdcl_tf.students.weights import (
    fitting,
    found as found_lib,
    imagenet,
    keras_file,
    kinds,
    safetensors_file,
    saved_model,
    torchvision,
)
from kdcl_tf.students.weights.fitting import Taken
from kdcl_tf.students.weights.found import Found

__all__ = ["load", "read", "skeleton", "student"]


def load(student: keras.Model, source: str | os.PathLike, architecture: str) -> Taken:
    """Gives a student the weights of a source.

    Args:
      student: built, as `students.build` does.
      source: the folder of an exported student; a `.keras`, `.weights.h5` or `.safetensors`
        file; or "imagenet".
      architecture: the name that the student was built by.

    Returns:
      What was taken, made anew and left over; its text is a line.

    Raises:
      ValueError: when anything but the head does not fit, naming the first.
    """
    kinds.check(source, architecture)
    found = read(source, architecture, tuple(student.input_shape[1:3]))
    return fitting.fit(student, found, where=str(source), architecture=architecture)


def read(
    source: str | os.PathLike,
    architecture: str,
    size: tuple[int, int] | None = None,
    takes_normalized: bool = True,
) -> Found:
    """The variables of a source.

    Args:
      source: as in `load`, checked by `kinds.check`.
      architecture: name of the student that they are for.
      size: height and width of its images, where they are known.
      takes_normalized: as `found.of_model`.

    Raises:
      NotNormalizedError: as `found.of_model`.
      ValueError: when it cannot be read, in one line.
    """
    kind = kinds.kind_of(source)
    if kind == kinds.IMAGENET:
        model, file = imagenet.load(names.parse(architecture).classifier)
        found = found_lib.of_model(model, takes_normalized=False)
        return dataclasses.replace(found, file=file)
    path = pathlib.Path(source).expanduser()
    if kind == "saved_model":
        return saved_model.read(path)
    if kind == "keras":
        return keras_file.read_keras(path, takes_normalized)
    if kind == "weights":
        return keras_file.read_weights(path, architecture, size, takes_normalized)
    paths = found_lib.own_variables(skeleton(architecture))
    arrays, counters = torchvision.as_student(safetensors_file.arrays(path), paths, architecture)
    return Found(arrays, tuple(counters))


def student(
    source: str | os.PathLike,
    architecture: str,
    image_shape: tuple[int, int, int] | None = None,
    needs_head: bool = True,
) -> keras.Model:
    """The whole student of a source, its head too.

    Args:
      source: as in `load`, checked by `kinds.check`.
      architecture: name of the student; "" for a `.keras` file, which holds its own layers.
      image_shape: of its images; by default what the source says, or the usual.
      needs_head: refuse a source without a head; False gives the student a random one of 1000
        classes, for a caller that has no use for logits.

    Raises:
      ValueError: when it cannot be read, does not fit the architecture, has no head where one is
        needed, or is of a model that scales its images itself, in one line.
    """
    kind = kinds.kind_of(source)
    path = pathlib.Path(source).expanduser()
    if kind in ("keras", "weights"):
        if kind == "keras":
            model = keras_file.load_keras(path)
        else:
            size = image_shape and image_shape[:2]
            model = keras_file.load_weights(path, architecture, size, needs_head)
        try:
            found_lib.check_takes_normalized(model)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return model
    found = read(source, architecture)
    shape = found.image_shape or image_shape or skeleton(architecture).input_shape[1:]
    head = found_lib.head_of(skeleton(architecture, shape)).name
    kernel = found.arrays.get(f"{head}/kernel")
    if kernel is None and needs_head:
        raise found_lib.headless(source, head)
    classes = 1000 if kernel is None else kernel.shape[-1]
    built = students.build(architecture, classes, shape)
    fitting.fit(built, found, where=str(source), architecture=architecture)
    return built


def skeleton(architecture: str, image_shape: tuple[int, int, int] | None = None) -> keras.Model:
    """A student of two classes, to compare names and shapes with.

    Args:
      architecture: name of the student.
      image_shape: of its images; by default a size that suits all but a few of Keras's
        networks, in colour.
    """
    side = students.default_image_size([architecture])
    return students.build(architecture, 2, image_shape or (side, side, 3))
