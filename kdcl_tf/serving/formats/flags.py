"""The flags of `kdcl-export`, and which formats read which."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from kdcl_tf.files import extras
from kdcl_tf.serving.formats import names as formats

__all__ = ["check_read", "check_student", "chosen_formats", "define_flags"]

_OF_IMAGES = ("images", "test_images", "calibration", "calibration_images", "dataset", "data_dir")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to export, in which formats, where to, and how it is checked."""
    flags.DEFINE_string("workdir", None, "Folder of a run of kdcl-train.", flag_values)
    flags.DEFINE_string(
        "student",
        None,
        "Name of one student; by default all. ensemble: one model, which averages the "
        "probabilities of all.",
        flag_values,
    )
    flags.DEFINE_list(
        "format",
        ["saved_model"],
        "One or several of: "
        + "; ".join(f"{name}: {each.summary}" for name, each in formats.FORMATS.items())
        + "; all: all of them.",
        flag_values,
    )
    flags.DEFINE_string(
        "output", None, "Folder to write to; by default WORKDIR/students.", flag_values
    )
    _define_image_flags(flag_values)


def _define_image_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "images",
        None,
        "Folder of images to check the files with; images whose classes are known lie in folders "
        "named after them; by default the run's test images, or images of noise where no format is "
        "of LiteRT or ONNX.",
        flag_values,
    )
    flags.DEFINE_integer(
        "test_images",
        256,
        "How many of these images to check with; 0 for all.",
        0,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "calibration",
        None,
        "Folder of images to calibrate litert_int8 with; by default the run's training images.",
        flag_values,
    )
    flags.DEFINE_integer(
        "calibration_images", 200, "How many images to calibrate with.", 1, flag_values=flag_values
    )
    flags.DEFINE_string(
        "dataset",
        None,
        "Where the run's data is now, if it was moved, as in kdcl-train, such as folder:PATH; it "
        "must be the same data.",
        flag_values,
    )
    flags.DEFINE_string(
        "data_dir", None, "Where TFDS keeps the run's data, if not at its default.", flag_values
    )


def chosen_formats(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats to write.

    Raises:
      ValueError: for one that is not known or not installed, or a folder that is not there.
    """
    try:
        forms = formats.chosen(values["format"], values["student"] == formats.ENSEMBLE)
    except ValueError as error:
        raise ValueError(f"--format: {error}") from error
    extras.require(*formats.packages(forms))
    for name in ("images", "calibration"):
        if values[name] and not pathlib.Path(values[name]).expanduser().is_dir():
            raise ValueError(f"expected --{name} to be a folder; got {values[name]}, which is none")
    return forms


def check_read(flag_values: flags.FlagValues, forms: Sequence[str]) -> None:
    """Raises ValueError for a flag that is not read for these formats."""
    given = {name for name in _OF_IMAGES if flag_values[name].value != flag_values[name].default}
    calibrates = "litert_int8" in forms
    is_checked = any(formats.FORMATS[each].needs_images for each in forms)
    reads_own = (is_checked and "images" not in given) or (
        calibrates and "calibration" not in given
    )
    expected = {}
    if "images" not in given and not is_checked:
        expected["test_images"] = (
            "--test_images with --images or a format of LiteRT or ONNX, since other files are checked "
            "with images of noise"
        )
    for name in () if calibrates else ("calibration", "calibration_images"):
        expected[name] = f"litert_int8 among --format with --{name}, since only that is calibrated"
    for name in () if reads_own else ("dataset", "data_dir"):
        expected[name] = (
            f"--{name} where the run's own images are read, for a format of LiteRT or ONNX without "
            "--images"
        )
    for name, told in expected.items():
        if name in given:
            raise ValueError(
                f"expected {told}; got --format={','.join(forms)}"
                f"{' --images' * ('images' in given)}: leave out --{name}"
            )


def check_student(student: str | None, students: Iterable[str]) -> None:
    """Raises ValueError for a student that the run does not have."""
    known = (*students, formats.ENSEMBLE)
    if student and student not in known:
        raise ValueError(f"expected --student to be one of {', '.join(known)}; got {student}")
