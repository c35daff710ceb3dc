"""The flags of `kdcl-evaluate`, and which analysis reads which."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from kdcl_tf import data
from kdcl_tf.serving import classes
from kdcl_tf.training import flags as training_flags

__all__ = ["check_analysis", "check_read", "define_flags"]

_ANALYSES = ("scores", "confusion", "categories", "noise", "spread", "overfitting", "loss_gap")
_SPLITS = ("test", "train", "validation")
_OF_A_SPLIT = ("scores", "confusion", "categories", "noise", "spread")
_OF_IMAGES = (*_OF_A_SPLIT, "overfitting")
# `{flag: the analyses that read it}`, of the flags that say what is analysed or written.
_READ_BY = {
    "dataset": _OF_IMAGES,
    "test_share": _OF_IMAGES,
    "images": _OF_IMAGES,
    "match_classes": _OF_IMAGES,
    "skip_bad_images": _OF_IMAGES,
    "tfrecord_image_key": _OF_IMAGES,
    "tfrecord_label_key": _OF_IMAGES,
    "split": _OF_A_SPLIT,
    "mistakes": ("confusion",),
    "noise_step": ("noise",),
    "noise_max": ("noise",),
    "noise_draws": ("noise",),
    "seed": ("noise",),
    "plot": tuple(each for each in (*_OF_IMAGES, "loss_gap") if each != "scores"),
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to score, on what, and which analysis."""
    _define_student_flags(flag_values)
    _define_image_flags(flag_values)
    _define_analysis_flags(flag_values)


def _define_student_flags(fv):
    flags.DEFINE_list(
        "workdir", [], "Runs of kdcl-train: all their students. Give this or --model.", fv
    )
    flags.DEFINE_list(
        "model", [], "Exported students: folders of SavedModels, .tflite and .onnx files.", fv
    )
    flags.DEFINE_string("student", None, "Only the student of this name, of each run.", fv)
    flags.DEFINE_enum(
        "match_classes",
        "name",
        classes.MATCHES,
        "How a student's classes are matched with the data set's. name: a class is the same under "
        "the same name. position: a class is the same in the same place, for class names that are "
        "only numbers or are spelt differently.",
        fv,
    )


def _define_image_flags(fv):
    flags.DEFINE_string(
        "dataset",
        None,
        "digits, folder:PATH, tfrecord:PATH or a TFDS name; by default the one trained on.",
        fv,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", fv)
    flags.DEFINE_bool(
        "skip_bad_images",
        False,
        "Leave out images that cannot be decoded, instead of stopping at the first.",
        fv,
    )
    for key, what in (("image", "encoded image"), ("label", "label")):
        flags.DEFINE_string(
            f"tfrecord_{key}_key",
            None,
            f"For --dataset=tfrecord:PATH: the feature that is the {what}, by default as for the "
            "student's run.",
            flag_values=fv,
        )
    training_flags.define_image_flags(fv, data.ImageRules(), training_flags.AS_TRAINED)
    flags.DEFINE_enum(
        "split",
        "test",
        _SPLITS,
        "Which images to evaluate. test: the test images. train: all training images, those held "
        "out included. validation: those of the run's --validation_share, or of val/ beside test/.",
        fv,
    )
    flags.DEFINE_float(
        "test_share",
        None,
        "For --dataset=folder:PATH without a test set, with the folders of the classes in PATH or in "
        "PATH/train: evaluate only this share of each class, as kdcl-train chooses it; by default as "
        "the student's run did with these images, otherwise all images.",
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "images",
        0,
        "Evaluate only the first N images, in the order of folders (so perhaps of one class); 0 "
        "for all.",
        lower_bound=0,
        flag_values=fv,
    )
    flags.DEFINE_integer("batch_size", 256, "Images at a time.", lower_bound=1, flag_values=fv)


def _define_analysis_flags(fv):
    flags.DEFINE_enum(
        "analysis",
        "scores",
        _ANALYSES,
        "What to find out. scores: accuracy, likelihood, calibration. confusion: which classes are "
        "mistaken for which, and the most confident mistakes with pictures. categories: accuracy by "
        "class of two students. noise: loss under Gaussian noise, of SavedModels only. spread: "
        "deviation of predictions within classes. overfitting: training against test accuracy. "
        "loss_gap: test loss by epoch of runs against the first.",
        fv,
    )
    flags.DEFINE_integer(
        "mistakes",
        20,
        "For --analysis=confusion: how many of the most confident mistakes are shown.",
        lower_bound=0,
        flag_values=fv,
    )
    flags.DEFINE_float(
        "noise_step",
        0.01,
        "For --analysis=noise: step from one standard deviation to the next, for pixels in 0..1.",
        flag_values=fv,
    )
    flags.DEFINE_float(
        "noise_max",
        0.15,
        "For --analysis=noise: largest standard deviation, for pixels in 0..1.",
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "noise_draws",
        10,
        "For --analysis=noise: how often noise is drawn for each deviation.",
        lower_bound=1,
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "For --analysis=noise: seed of the noise.",
        lower_bound=0,
        upper_bound=2**64 - 1,
        flag_values=fv,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Write the numbers to this JSON file. Without it scores are only printed, and any other "
        "analysis is written to analyses/ in the folder of the first student's run, or beside a model "
        "that is in no run.",
        fv,
    )
    flags.DEFINE_string("plot", None, "Draw to this PNG; by default beside --output.", fv)


def check_read(flag_values: flags.FlagValues) -> None:
    """Raises ValueError for a flag that the analysis does not read."""
    analysis = flag_values["analysis"].value
    for flag, readers in _READ_BY.items():
        if analysis not in readers and flag_values[flag].value != flag_values[flag].default:
            raise ValueError(
                f"expected --{flag} with --analysis={' or '.join(readers)}; got "
                f"--analysis={analysis}: leave out --{flag}"
            )


def check_analysis(values: Mapping[str, Any], paths: Sequence[pathlib.Path]) -> None:
    """Raises ValueError for flags that the analysis cannot use, before TensorFlow is imported."""
    analysis = values["analysis"]
    if values["dataset"]:
        data.validate_name(values["dataset"])
        data.check_shares(values["dataset"], values["test_share"] or 0, 0)
    if analysis == "loss_gap" and not (values["student"] and len(values["workdir"]) > 1):
        raise ValueError(
            "expected two or more runs and a student for --analysis=loss_gap, which compares the "
            f"logs of runs with the first's; got {len(values['workdir'])} runs and "
            f"student {values['student'] or 'none'}: pass --workdir=BASELINE,OTHER and "
            "--student=NAME"
        )
    if analysis == "categories" and len(paths) != 2:
        raise ValueError(
            f"expected two students for --analysis=categories; got {len(paths)}: pass "
            "--model=FIRST,SECOND, or a --workdir of two"
        )
    for path in filter(pathlib.Path.is_file, paths):
        _check_file(analysis, path)


def _check_file(analysis, path):
    from kdcl_tf.serving import runtimes

    runtimes.require_runtime(path)
    if analysis == "noise":
        raise ValueError(
            "expected SavedModels for --analysis=noise, whose images are no whole grey levels; got "
            f"{path}: pass WORKDIR/students/NAME"
        )
