"""Finds the weights of a teacher, of which a path or a name is given.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.serving import exported, weight_sources
from kdcl_tf.serving.weight_sources import WeightSource
from kdcl_tf.students.weights import kinds

__all__ = ["find", "source_of"]


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
        return weight_sources.weight_source(_found(file, kinds.SUFFIXES))
    return weight_sources.named_source(text)


def find(path: str | os.PathLike) -> pathlib.Path:
    """The folder of the exported student that a path stands for.

    Args:
      path: that folder, such as WORKDIR/students/NAME, or a WORKDIR with one student.

    Raises:
      ValueError: when there is none, or more than one.
    """
    return _found(pathlib.Path(path).expanduser())


def _found(path, endings=()):
    """`find`, which names files of some endings where a folder has no students but these."""
    found = exported.find_students(path, ensembles=False)
    if len(found) > 1:
        raise ValueError(
            f"expected one student as the teacher; got {path}, a run of {len(found)}: choose one "
            "of " + ", ".join(str(each) for each in found)
        )
    if not found:
        raise ValueError(
            "expected an exported student as the teacher, such as WORKDIR/students/NAME, or a "
            f"finished run of one student; got {path}"
            f"{exported.named_in(path, endings, ensembles=False) or ', which has none'}"
        )
    return found[0]
