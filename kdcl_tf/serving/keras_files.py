"""Students as Keras's own files, for further training."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from kdcl_tf import files
from kdcl_tf.students import normalization, precision

__all__ = ["save_keras", "save_weights"]


def save_keras(
    student: keras.Model,
    path: str | os.PathLike,
    check: Callable[[pathlib.Path], Any] | None = None,
) -> pathlib.Path:
    """Writes a `.keras` file of the student, which takes normalised images.

    The file has float32 and Keras's own layers, whatever the student was trained with, so that
    it loads where `kdcl_tf` is not installed.

    Args:
      student: a built keras.Model.
      path: of the file.
      check: is given the file before it has its final name; what it raises leaves nothing
        written.

    Returns:
      The path.

    Raises:
      ValueError: when Keras cannot build the student again from its configuration.
    """
    path = pathlib.Path(path).expanduser()
    stock = normalization.with_stock_normalization(precision.in_float32(student))
    with files.replaced_file(path) as partial:
        keras.saving.save_model(stock, partial)
        if check:
            check(partial)
    return path


def save_weights(
    student: keras.Model,
    path: str | os.PathLike,
    check: Callable[[pathlib.Path], Any] | None = None,
) -> pathlib.Path:
    """Writes a `.weights.h5` file, to load into a student that is built by the same name.

    Args:
      student, path, check: as in `save_keras`.

    Returns:
      The path.
    """
    path = pathlib.Path(path).expanduser()
    with files.replaced_file(path) as partial:
        student.save_weights(partial)
        if check:
            check(partial)
    return path
