"""Exported models on disk: finds and loads them, and names the damaged one in one line.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from kdcl_tf import files

__all__ = ["find_students", "holds_model", "load", "students_of"]

_MODEL = "saved_model.pb"


def holds_model(path: str | os.PathLike) -> bool:
    """Whether a folder is a SavedModel.

    A folder that a killed process left renamed aside is put back first.
    """
    path = pathlib.Path(path)
    files.recover(path.parent)
    return (path / _MODEL).exists()


def students_of(run: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of a run's exported students, sorted by name; empty for what is no run."""
    folder = pathlib.Path(run) / "students"
    files.recover(folder)
    # A hidden folder is an export that was not finished.
    return sorted(path.parent for path in folder.glob(f"[!.]*/{_MODEL}"))


def find_students(path: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of the exported students that a path stands for.

    Args:
      path: a student's folder, such as WORKDIR/students/NAME, or a run.

    Returns:
      That folder alone, or those of all the run's students; empty when there is neither.
    """
    path = pathlib.Path(path)
    return [path] if holds_model(path) else students_of(path)


def load(path: str | os.PathLike) -> Any:
    """`tf.saved_model.load`, with any of its errors as a ValueError.

    Args:
      path: the folder of a SavedModel.

    Raises:
      ValueError: when it cannot be loaded, naming the folder.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(path))
    # Depending on the damage the error is TensorFlow's, Python's or protobuf's.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(
            f"{path} is a SavedModel that cannot be loaded, as if it were cut short ({said}): "
            "export it again"
        ) from error
