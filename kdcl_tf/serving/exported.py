"""What was exported, found and loaded again, any damage told in one line.

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

    One that a killed process had put aside is put back first.
    """
    path = pathlib.Path(path)
    files.recover(path.parent)
    return (path / _MODEL).exists()


def students_of(run: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of the students that a run has exported, by name; none for what is no run."""
    folder = pathlib.Path(run) / "students"
    files.recover(folder)
    # A hidden folder is an export that was cut short.
    return sorted(path.parent for path in folder.glob(f"[!.]*/{_MODEL}"))


def find_students(path: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of the exported students that a path means.

    Args:
      path: of a student's folder, such as WORKDIR/students/NAME, or of a run.

    Returns:
      That folder alone, or all of the run; empty when there is nothing.
    """
    path = pathlib.Path(path)
    return [path] if holds_model(path) else students_of(path)


def load(path: str | os.PathLike) -> Any:
    """`tf.saved_model.load`, to which a file that was cut short may do anything.

    Args:
      path: the folder of a SavedModel.

    Raises:
      ValueError: when it cannot be loaded, naming the folder.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(path))
    # By what is damaged it is one of TensorFlow's own, of Python's or of protobuf's.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(
            f"{path} is a SavedModel that cannot be loaded, as if it were cut short ({said}): "
            "export it again"
        ) from error
