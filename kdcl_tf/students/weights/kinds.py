"""Kinds of weights to start from, told without TensorFlow or Keras."""

from __future__ import annotations

import os
import pathlib
import zipfile

from kdcl_tf.files import run_names
from kdcl_tf.students import names
from kdcl_tf.students.weights import safetensors_file

__all__ = ["IMAGENET", "KINDS", "SUFFIXES", "check", "kind_of"]

# The source that is no path: the weights of keras.applications, which Keras downloads.
IMAGENET = "imagenet"
KINDS = ("saved_model", "keras", "weights", "safetensors", IMAGENET)
# What names of files that weights are read from end with.
SUFFIXES = (".keras", ".weights.h5", ".safetensors")

# Of PyTorch's files, which are pickles: reading one may run what is in it.
_PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_FAMILIES = ("resnet", "mobilenet_v2")
_EXPECTED = (
    "expected an exported student (WORKDIR/students/NAME), a .keras, .weights.h5 or .safetensors "
    "file, or imagenet for students of keras.applications"
)


def kind_of(source: str | os.PathLike) -> str:
    """One of `KINDS`.

    Raises:
      ValueError: when there is nothing, or nothing that weights can be read from.
    """
    if source == IMAGENET:
        return IMAGENET
    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise ValueError(f"{_EXPECTED}; got {source}, which is not there")
    if path.is_dir():
        if any((path / name).exists() for name in ("saved_model.pb", run_names.STUDENT_CARD)):
            return "saved_model"
        raise ValueError(f"{_EXPECTED}; got the folder {source}, which is no exported student")
    if path.name.endswith(".weights.h5"):
        return "weights"
    if path.suffix in (".keras", ".safetensors"):
        return path.suffix[1:]
    if path.suffix in _PICKLES:
        raise ValueError(
            f"{_EXPECTED}; got {source}, a file of PyTorch: make a .safetensors file of it with "
            f"tools/convert_weights.py {source}, where PyTorch is installed"
        )
    raise ValueError(f"{_EXPECTED}; got {source}, which is none of these")


def check(source: str | os.PathLike, architecture: str) -> str:
    """The kind of a source, after what can be checked quickly.

    Args:
      source: a path, or "imagenet".
      architecture: name of the student that it is for; "" where that is not known.

    Raises:
      ValueError: as `kind_of`; for a file that is damaged or no such file; and for a student that
        has no weights of that kind.
    """
    kind = kind_of(source)
    family = names.parse(architecture).family if architecture else ""
    if kind == IMAGENET and family != "keras":
        raise ValueError(
            "expected imagenet for a student of keras.applications, such as keras:MobileNetV2; got "
            f"{architecture or 'no architecture'}: give a file of its weights"
        )
    if kind == "safetensors":
        if family not in _FAMILIES:
            raise ValueError(
                "expected .safetensors of torchvision's ResNet-18, 34, 50, 101, 152 or MobileNetV2, "
                f"for the student of that network; got {source} for "
                f"{architecture or 'an unknown architecture'}"
            )
        safetensors_file.shapes(source)
    if kind == "keras" and not zipfile.is_zipfile(pathlib.Path(source).expanduser()):
        raise ValueError(
            f"{source}: expected a .keras file that can be read here; got no whole zip file: save "
            "or export it again"
        )
    if kind == "weights":
        with open(pathlib.Path(source).expanduser(), "rb") as file:
            if file.read(len(_HDF5)) != _HDF5:
                raise ValueError(
                    f"{source}: expected a .weights.h5 file of Keras; got no HDF5 file: save it "
                    "again"
                )
    return kind
