"""Keras's own files as the variables of a student: `.keras` and `.weights.h5`."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import re
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
# Of a head that is made anew, as those of weights for ImageNet.
_CLASSES = 1000
_BATCH_NORM = "batch_normalization"
# What scales images, as a file names it; of a layer that it has besides those of the student.
_SCALING = ("normalization", "rescaling")


def read_keras(path: str | os.PathLike, takes_normalized: bool = True) -> Found:
    """The variables of a `.keras` file, which holds its own layers.

    Args:
      path: of the file.
      takes_normalized: as `found.of_model`.

    Raises:
      ValueError: when it cannot be read here, in one line, and as `found.of_model`.
    """
    return _found_in(load_keras(path), takes_normalized)


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
    path: str | os.PathLike,
    architecture: str,
    size: tuple[int, int] | None = None,
    takes_normalized: bool = True,
) -> Found:
    """The variables of a `.weights.h5` file of a student, by our names; its head may be missing.

    Args:
      path, architecture, size: as `load_weights`.
      takes_normalized: as `found.of_model`.

    Raises:
      ValueError: as `load_weights`, but for the head.
    """
    student, has_head = _load_weights(path, architecture, size, takes_normalized)
    found = _found_in(student, takes_normalized)
    head = f"{found_lib.head_of(student).name}/"
    arrays = {
        name: value for name, value in found.arrays.items() if has_head or not name.startswith(head)
    }
    return dataclasses.replace(found, arrays=arrays)


def load_weights(
    path: str | os.PathLike,
    architecture: str,
    size: tuple[int, int] | None = None,
    needs_head: bool = True,
) -> keras.Model:
    """The student of a `.weights.h5` file, with as many classes as the file has.

    Args:
      path: of the file, saved from a student of ours or, of `keras:` students, from Keras's
        classifier.
      architecture: name of the student; the file knows only the order of its layers.
      size: height and width of the student's images, which a few networks depend on.
      needs_head: refuse a file without a head; False gives the student a random one of 1000
        classes.

    Raises:
      ValueError: when the file does not fit, lacks a head that is needed, or has layers that the
        student does not have and that learn or scale images, in one line.
    """
    student, has_head = _load_weights(path, architecture, size)
    if needs_head and not has_head:
        raise found_lib.headless(path, found_lib.head_of(student).name)
    return student


def _load_weights(path, architecture, size, takes_normalized=True):
    """The student of a file, and whether its head is the file's."""
    try:
        with h5py.File(path) as file:
            layers = file["layers"]
            classes, channels = _ends(layers, architecture)
            has_stock = any(name.startswith(_BATCH_NORM) for name in layers)
            side = _SIZES.get(names.parse(architecture).family, _LARGE)
            shape = (*(size or (side, side)), channels)
            student = students.build(architecture, classes or _CLASSES, shape)
            # The layers of a file are named for their classes.
            student = normalization.with_stock_normalization(student) if has_stock else student
            _check_others(layers, student, path, takes_normalized)
        missing = [] if classes else [found_lib.head_of(student)]
        with warnings.catch_warnings():
            # Keras warns of each layer that does not fit, before an error that says it once.
            warnings.simplefilter("ignore")
            student.load_weights(pathlib.Path(path), objects_to_skip=missing)
    except found_lib.NotNormalizedError:
        raise
    # As in `load_keras`.
    except Exception as error:
        raise ValueError(
            f"{path}: expected weights of a {architecture}; got {_first_line(error)}"
        ) from error
    return student, classes is not None


def _found_in(model, takes_normalized):
    """The variables of a model, and the size of its images where it takes no other."""
    shape = getattr(model, "input_shape", None)
    is_known = isinstance(shape, tuple) and len(shape) == 4 and None not in shape[1:]
    found = found_lib.of_model(model, takes_normalized)
    return dataclasses.replace(found, image_shape=shape[1:] if is_known else None)


def _check_others(layers, student, path, takes_normalized):
    """Refuses a file of more than the student, which Keras would not look at."""
    for group, layer in _others(layers, student):
        own = layer.get("vars")
        name = group if own is None else own.attrs.get("name", group)
        if re.sub(r"_\d+$", "", group) in _SCALING:
            if takes_normalized:
                raise found_lib.scaling(path, name)
        elif "layers" not in layer and _learns(layer):
            raise ValueError(f"a further layer, {name}")


def _others(layers, model):
    """`(name, group)` of the layers that a file has and a model, None for none, does not."""
    own = {} if model is None else _by_group(model)
    own = {name.replace("_", ""): each for name, each in own.items()}
    for name, group in layers.items():
        # Keras divides the words of a class by underscores.
        layer = own.get(name.replace("_", ""))
        if layer is None:
            yield name, group
        if "layers" in group:
            yield from _others(group["layers"], layer)


def _learns(group):
    """Whether a layer has variables other than integers, which are the seeds of dropout."""

    def is_one(_, each):
        return (isinstance(each, h5py.Dataset) and each.dtype.kind not in "iu") or None

    return bool(group.visititems(is_one))


def _ends(layers, architecture):
    """How many classes, None without a head, and channels the student of a file has."""
    head, stem = ("dense",), ("conv2d",)
    if names.parse(architecture).family == "keras":
        skeleton = students.build(architecture, 2, (_LARGE, _LARGE, 3))
        head = (_group_of(found_lib.head_of(skeleton), skeleton),)
        stem = _groups_of_stem(skeleton)
    classes = _kernel_in(layers, head).shape[-1] if head[0] in layers else None
    return classes, _kernel_in(layers, stem).shape[2]


def _groups_of_stem(model):
    """Where a file has the first layer with a kernel, which may be in a model of its own."""
    first = next(
        each for each in model.layers if hasattr(each, "kernel") or isinstance(each, keras.Model)
    )
    inside = ("layers", *_groups_of_stem(first)) if isinstance(first, keras.Model) else ()
    return (_group_of(first, model), *inside)


def _group_of(layer, model):
    return next(name for name, each in _by_group(model).items() if each is layer)


def _by_group(model):
    """`{name of a file's group: layer}`, but for underscores in a class's name."""
    # A file counts the layers of each class.
    counts, groups = collections.Counter(), {}
    for layer in model.layers:
        kind = type(layer).__name__.lower()
        groups[f"{kind}_{counts[kind]}" if counts[kind] else kind] = layer
        counts[kind] += 1
    return groups


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
