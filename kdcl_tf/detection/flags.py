"""The flags of a detector's run: one for each field of `DetectionSettings`, and its folders."""

from __future__ import annotations

import dataclasses

from absl import flags

from kdcl_tf.detection import settings as settings_lib
from kdcl_tf.detection.coco.layouts import NamedFiles
from kdcl_tf.training import flags as training_flags

_DEFAULTS = settings_lib.DetectionSettings()


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines a flag for each field of `DetectionSettings`, and where the run reads and writes."""
    _define_model_flags(flag_values)
    _define_data_flags(flag_values)
    exception = ", but for those whose annotations were made on the image as it is stored"
    training_flags.define_image_flags(flag_values, _DEFAULTS, exception)
    training_flags.define_optimisation_flags(
        flag_values, _DEFAULTS, "at 9/14 and 12/14 of --epochs"
    )
    _define_gradient_flags(flag_values)
    training_flags.define_machine_flags(
        flag_values, _DEFAULTS, settings_lib.PRECISIONS, settings_lib.STRATEGIES
    )


def _define_model_flags(fv):
    flags.DEFINE_enum(
        "detector",
        _DEFAULTS.detector,
        settings_lib.DETECTORS,
        "What the detector finds. faster: boxes (Faster R-CNN). mask: boxes and outlines (Mask "
        "R-CNN).",
        fv,
    )
    flags.DEFINE_string(
        "backbone",
        _DEFAULTS.backbone,
        "A student: WORKDIR/students/NAME, a run of one student, or a .keras or .weights.h5 file of "
        "kdcl-export; with --architecture a .safetensors file of torchvision's, or imagenet for "
        "Keras's weights of keras:NAME; or a name such as resnet18 for random weights (a folder "
        "of that name is ./resnet18).",
        fv,
    )
    flags.DEFINE_string(
        "architecture", "", "Which student a file holds, where no card beside it says so.", fv
    )
    flags.DEFINE_string(
        "backbone_normalization",
        _DEFAULTS.backbone_normalization,
        "How the images of a backbone are normalised where no card beside its file says so: tf, caffe "
        "or torch, as keras.applications has them; torch (the default) is torchvision's, too.",
        fv,
    )
    flags.DEFINE_list(
        "feature_layers",
        [],
        "Layers that end each resolution of a backbone of keras:NAME or of another library.",
        fv,
    )
    flags.DEFINE_string(
        "initial_weights",
        _DEFAULTS.initial_weights,
        "A run of kdcl-detect, or its WORKDIR/detector, that the detector starts from, backbone and all; "
        "the heads are made anew where the classes differ.",
        fv,
    )
    flags.DEFINE_integer(
        "regions_per_image",
        _DEFAULTS.regions_per_image,
        "Regions of each image that the second stage is trained on, at most a quarter of them of objects: "
        "4 or more.",
        flag_values=fv,
    )


def _define_data_flags(fv):
    flags.DEFINE_string(
        "dataset",
        _DEFAULTS.dataset,
        "coco:PATH, a folder of images with annotations as COCO, Roboflow or CVAT write them, or "
        "coco/2017 of TFDS. For --mode=evaluate, by default that of the detector's run, with the files "
        "that it named and, of its training images, the first ones that it was trained on.",
        fv,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", fv)
    for name, text in (
        (
            "train_annotations",
            "the JSON file of the training images, where PATH has no known layout.",
        ),
        ("train_images", "the folder of the training images; by default beside their annotations."),
        (
            "validation_annotations",
            "the JSON file of the validation images, where PATH has no known layout.",
        ),
        (
            "validation_images",
            "the folder of the validation images; by default beside their annotations.",
        ),
    ):
        flags.DEFINE_string(name, getattr(_DEFAULTS, name), f"For --dataset=coco:PATH, {text}", fv)
    flags.DEFINE_integer(
        "first_images",
        _DEFAULTS.first_images,
        "Trains on this number of images, the first ones; 0 for all.",
        flag_values=fv,
    )
    flags.DEFINE_enum(
        "evaluate_on",
        _DEFAULTS.evaluate_on,
        settings_lib.SPLITS,
        "Which images are evaluated. test: the validation images. train: those that are trained on; no "
        "others are needed.",
        fv,
    )
    for name, text in (
        ("short_side", "Pixels that the shorter side of an image is scaled to."),
        ("long_side", "The most pixels of the longer side, which then decides the scale."),
        ("warmup_steps", "Steps over which the learning rate rises."),
    ):
        flags.DEFINE_integer(name, getattr(_DEFAULTS, name), text, flag_values=fv)
    flags.DEFINE_bool("flip", _DEFAULTS.flip, "Mirrors half of the training images.", fv)


def _define_gradient_flags(fv):
    flags.DEFINE_integer(
        "accumulation_steps",
        _DEFAULTS.accumulation_steps,
        "Runs each step's images in this number of parts, to need less memory, and takes one step "
        "for all of them.",
        flag_values=fv,
    )
    flags.DEFINE_float(
        "clip_norm",
        _DEFAULTS.clip_norm,
        "Scales the gradient of a step down to this norm, over all variables and replicas; 0 for "
        "never.",
        flag_values=fv,
    )


def settings_from_flags(flag_values: flags.FlagValues) -> settings_lib.DetectionSettings:
    """The run's `DetectionSettings`.

    Raises:
      ValueError: for a value out of range, in one line.
    """
    fields = training_flags.fields_of(settings_lib.DetectionSettings, flag_values)
    fields["feature_layers"] = tuple(fields["feature_layers"] or [])
    return settings_lib.DetectionSettings(**fields)


def named_files(flag_values: flags.FlagValues) -> NamedFiles:
    """The files of annotations and folders of images that the flags name."""
    names = [field.name for field in dataclasses.fields(NamedFiles)]
    return NamedFiles(**{name: flag_values[name].value for name in names})


def default_workdir(settings: settings_lib.DetectionSettings) -> str:
    """The folder of a run without `--workdir`, named for its data set and detector."""
    return training_flags.default_workdir(settings, settings.dataset, settings.detector)
