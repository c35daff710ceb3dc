"""The one student that a path stands for: its folder, a run of one, or a file for a runtime.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.serving import exported
from kdcl_tf.serving.cards import RUNTIME_SUFFIXES
from kdcl_tf.training.run_files import check_export

__all__ = ["find"]

_LACKING = "has none (kdcl-export exports the students of a run that is not complete)"
_FOR_TRAINING = (".keras", ".h5", ".safetensors")


def find(model: str | None, student: str | None = None) -> pathlib.Path:
    """The folder or file of the student to apply.

    Args:
      model: a student's folder, such as WORKDIR/students/NAME; a WORKDIR; or a file.
      student: which student of a run.

    Raises:
      ValueError: when there is none, or a run has several and none is chosen; when what lies in a
        run's folder is another run's, or another student.
    """
    if not model:
        raise ValueError(
            "expected --model, an exported student, a run with students, or a .tflite or .onnx "
            "file; got none"
        )
    path = pathlib.Path(model).expanduser()
    if path.name in ("", ".."):
        # A student is called as its folder, which "." does not tell.
        path = pathlib.Path(os.path.abspath(path))
    if path.is_file():
        return _file(path, student)
    found = exported.find_students(path)
    if not found:
        lacking = f", which {_LACKING if path.exists() else 'is not there'}"
        raise ValueError(
            "expected --model to be an exported student, such as WORKDIR/students/NAME, a run "
            "with students, or a .tflite or .onnx file; got "
            f"{path}{exported.named_in(path, RUNTIME_SUFFIXES) or lacking}"
        )
    names = [each.name for each in found]
    if student is not None and student not in names:
        raise ValueError(f"expected --student to be {' or '.join(names)} of {path}; got {student}")
    if student is None and len(found) > 1:
        raise ValueError(
            f"expected one student; got {path}, a run of {len(found)}: pass --student={names[0]}, "
            f"or another of {', '.join(names)}"
        )
    chosen = found[names.index(student)] if student else found[0]
    if chosen != path:
        check_export(path, chosen, exported.known_card(chosen))
    return chosen


def _file(path, student):
    from kdcl_tf.serving import runtimes

    if path.name.endswith(_FOR_TRAINING):
        raise ValueError(
            f"expected --model to be a student that takes images; got {path}, a file for further "
            "training: export the student as a SavedModel, with kdcl-export"
        )
    if not runtimes.is_file(path):
        raise ValueError(f"expected --model to be a folder, or a .tflite or .onnx file; got {path}")
    if student is not None:
        raise ValueError(f"--student={student} is for a run; got the file {path} of one student")
    runtimes.require_runtime(path)
    return path
