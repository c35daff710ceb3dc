"""The formats of exported students: what they are called, and what they need.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ENSEMBLE", "FORMATS", "Format", "chosen", "packages"]


class Format(NamedTuple):
    """A format that a student is exported in.

    Attributes:
      ending: of the file's name after the student's; "" for a folder.
      runtime: what loads it, as `only_runtime` calls it.
      packages: of the extra `export` that writing and checking it imports.
      least_agreement: the least share of images whose class is the student's; 0 where logits are
        bounded.
      summary: a few words for a user.
    """

    ending: str
    runtime: str
    packages: tuple[str, ...]
    least_agreement: float
    summary: str

    @property
    def is_phone(self) -> bool:
        """Whether it is LiteRT's."""
        return self.runtime == "litert"

    @property
    def needs_images(self) -> bool:
        """Whether it is only written where images to check it with are found."""
        return bool(self.packages)


_LITERT = ("ai_edge_litert",)
_ONNX = ("onnx", "onnxruntime", "tf2onnx")

FORMATS = {
    "saved_model": Format(
        "", "tensorflow", (), 0, "a folder that takes uint8 images, and needs only TensorFlow"
    ),
    "keras": Format(
        ".keras", "keras", (), 0, "takes normalised images, for further training with Keras alone"
    ),
    "weights": Format(
        ".weights.h5", "kdcl_tf", (), 0, "for the student that kdcl_tf.students.build makes"
    ),
    "litert": Format(
        ".float32.tflite", "litert", _LITERT, 0, "for phones, takes one uint8 image, in float32"
    ),
    "litert_float16": Format(
        ".float16.tflite", "litert", _LITERT, 0.99, "as litert, half as large, for phones' GPUs"
    ),
    "litert_int8": Format(
        ".int8.tflite",
        "litert",
        _LITERT,
        0.95,
        "as litert, a quarter as large, in integers",
    ),
    "onnx": Format(
        ".onnx", "onnxruntime", _ONNX, 0, "for ONNX Runtime, takes any number of uint8 images"
    ),
}

# The name of the model that averages the probabilities of all students of a run.
ENSEMBLE = "ensemble"
# An ensemble is no Keras model that `students.build` could make.
_STUDENTS_ONLY = ("keras", "weights")


def chosen(names: Sequence[str], ensemble: bool = False) -> tuple[str, ...]:
    """The formats that a list of names asks for, in the order of `FORMATS`.

    Args:
      names: of formats, or "all".
      ensemble: whether they are for an ensemble, which has no `keras` and no `weights`.

    Raises:
      ValueError: for a name that is none, or no name.
    """
    known = (*FORMATS, "all")
    for name in names or [""]:
        if name not in known:
            raise ValueError(f"expected formats among {', '.join(known)}; got {name!r}")
    refused = [name for name in names if ensemble and name in _STUDENTS_ONLY]
    if refused:
        raise ValueError(
            f"expected another format of the ensemble; got {', '.join(refused)}, which only single "
            "students have"
        )
    left_out = _STUDENTS_ONLY if ensemble else ()
    everything = [name for name in FORMATS if name not in left_out]
    return tuple(name for name in everything if name in names or "all" in names)


def packages(formats: Sequence[str]) -> tuple[str, ...]:
    """The packages of the extra `export` that some formats need, each once."""
    return tuple(dict.fromkeys(each for name in formats for each in FORMATS[name].packages))
