"""Keras's own files as the variables of a student: `.keras` and `.weights.h5`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import warnings
import zipfile

import h5py
import keras

from kdcl_tf import students
from kdcl_tf.students import names, normalization
from kdcl_tf.students.weights import found as found_lib
from kdcl_tf.students.weights.found import Found

__all__ = ["load_keras", "load_weights", "read_keras", "read_weights"]

_SIZES = {"cifar_resnet": 32, "wide_resnet": 32}
_LARGE = 224
_BATCH_NORM = "batch_normalization"


def read_keras(path: str | os.PathLike) -> Found:
    """The variables of a `.keras` file, which holds its own layers.

    Raises:
      ValueError: when it cannot be read here, in one line.
    """
    return _found_in(load_keras(path))


def load_keras(path: str | os.PathLike) -> keras.Model:
    """The model of a `.keras` file, which is refused where it would run code of its own.

    Raises:
      ValueError: when it cannot be read here, in one line.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path}: expected a .keras file that can be read here; got no whole zip file: save "
            "or export it again"
        )
    try:
        return keras.saving.load_model(path, compile=False)
    # Depending on the damage the error is Keras's, HDF5's, that of a ZIP file or Python's.
    except Exception as error:
        raise ValueError(
            f"{path}: expected a .keras file that can be read here; got {_first_line(error)}"
        ) from error


def read_weights(
    path: str | os.PathLike, architecture: str, size: tuple[int, int] | None = None
) -> Found:
    """The variables of a `.weights.h5` file of a student, by our names."""
    return _found_in(load_weights(path, architecture, size))


def load_weights(
    path: str | os.PathLike, architecture: str, size: tuple[int, int] | None = None
) -> keras.Model:
    """The student of a `.weights.h5` file, with as many classes as the file has.

    Args:
      path: of the file, saved from a student of ours or, of `keras:` students, from Keras's
        classifier.
      architecture: name of the student; the file knows only the order of its layers.
      size: height and width of the student's images, which a few networks depend on.

    Raises:
      ValueError: when the file does not fit, in one line.
    """
    try:
        with h5py.File(path) as file:
            layers = file["layers"]
            classes, channels = _ends(layers, architecture)
            has_stock = any(name.startswith(_BATCH_NORM) for name in layers)
        side = _SIZES.get(names.parse(architecture).family, _LARGE)
        student = students.build(architecture, classes, (*(size or (side, side)), channels))
        # The layers of a file are named for their classes.
        student = normalization.with_stock_normalization(student) if has_stock else student
        with warnings.catch_warnings():
            # Keras warns of each layer that does not fit, before an error that says it once.
            warnings.simplefilter("ignore")
            student.load_weights(pathlib.Path(path))
    # As in `load_keras`.
    except Exception as error:
        raise ValueError(
            f"{path}: expected weights of a {architecture}; got {_first_line(error)}"
        ) from error
    return student


def _found_in(model):
    """The variables of a model, and the size of its images where it takes no other."""
    shape = getattr(model, "input_shape", None)
    is_known = isinstance(shape, tuple) and len(shape) == 4 and None not in shape[1:]
    found = found_lib.of_model(model)
    return dataclasses.replace(found, image_shape=shape[1:] if is_known else None)


def _ends(layers, architecture):
    """How many classes and channels the student of a file has."""
    head, stem = ("dense",), ("conv2d",)
    if names.parse(architecture).family == "keras":
        skeleton = students.build(architecture, 2, (_LARGE, _LARGE, 3))
        head = (_group_of(found_lib.head_of(skeleton), skeleton),)
        stem = _groups_of_stem(skeleton)
    return _kernel_in(layers, head).shape[-1], _kernel_in(layers, stem).shape[2]


def _groups_of_stem(model):
    """Where a file has the first layer with a kernel, which may be in a model of its own."""
    first = next(
        each for each in model.layers if hasattr(each, "kernel") or isinstance(each, keras.Model)
    )
    inside = ("layers", *_groups_of_stem(first)) if isinstance(first, keras.Model) else ()
    return (_group_of(first, model), *inside)


def _group_of(layer, model):
    # A file counts the layers of each class.
    number = [each for each in model.layers if type(each) is type(layer)].index(layer)
    return type(layer).__name__.lower() + (f"_{number}" if number else "")


def _kernel_in(layers, groups):
    found = layers
    for name in groups:
        if name not in found:
            raise ValueError(f"no {name} layer")
        found = found[name]
    return found["vars"]["0"]


def _first_line(error):
    """Keras's message up to its first line that says something."""
    lines = str(error.args[0] if error.args else error).split("\n")
    while len(lines) > 1 and (not lines[0].strip() or lines[0].endswith(":")):
        lines[:2] = [f"{lines[0]} {lines[1]}".strip()]
    return lines[0] or type(error).__name__
