"""What `kdcl-detect` can do, its flags, and which mode reads which."""

from __future__ import annotations

import dataclasses

from absl import flags

from kdcl_tf.detection import flags as detection_flags
from kdcl_tf.detection.settings import DetectionSettings

__all__ = ["check", "define_flags"]

_MODES = ("train", "evaluate", "predict")

# Flags that are no settings of a run, and the modes that they are for.
_MODES_OF = {
    "model": ("evaluate", "predict"),
    "image": ("predict",),
    "output": ("evaluate", "predict"),
    "least_score": ("predict",),
}
_OF_IMAGES = ("apply_exif_orientation", "max_image_megabytes", "max_image_megapixels")
# Settings of a run that another mode reads, too; a trained detector has the rest in its card.
_READ_IN = {
    "evaluate": (
        "dataset",
        "evaluate_on",
        "train_images",
        "train_annotations",
        "validation_images",
        "validation_annotations",
        *_OF_IMAGES,
    ),
    "predict": _OF_IMAGES,
}
# Of a run, too, though they decide no number of it; and the modes that read them.
_OF_THE_MACHINE = {
    "workdir": ("train",),
    "data_dir": ("train", "evaluate"),
    "logical_devices": ("train",),
    "checkpoint_seconds": ("train",),
    "steps_per_loop": ("train",),
    "keep_checkpoints": ("train",),
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to do, and the flags of a run."""
    flags.DEFINE_enum(
        "mode",
        "train",
        _MODES,
        "What to do. train: train a detector. evaluate: score one by COCO's figures. predict: draw "
        "what a detector finds in images.",
        flag_values,
    )
    flags.DEFINE_string(
        "model", None, "For evaluate and predict: WORKDIR/detector, or its run.", flag_values
    )
    flags.DEFINE_list(
        "image",
        [],
        "For predict: image files, and folders, of which only the images directly in them are taken.",
        flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "For predict: the folder that gets a picture and a JSON file for each image; for evaluate: "
        "the JSON file for the figures, beside which the detections are written.",
        flag_values,
    )
    flags.DEFINE_float(
        "least_score",
        0.5,
        "For predict: detections of a lower score are neither drawn nor listed. A detector gives none "
        "below 0.05.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=flag_values,
    )
    detection_flags.define_flags(flag_values)


def check(flag_values: flags.FlagValues) -> None:
    """Prints the settings that the mode does not read.

    Raises:
      ValueError: for a flag that only another mode reads.
    """
    mode = flag_values["mode"].value
    for name, modes in _MODES_OF.items():
        if flag_values[name].present and mode not in modes:
            raise ValueError(f"--{name}: expected --mode={' or '.join(modes)}; got --mode={mode}")
    if mode == "train":
        return
    own = [field.name for field in dataclasses.fields(DetectionSettings)]
    of_the_card = [name for name in own if name not in _READ_IN[mode]]
    of_the_machine = [name for name, modes in _OF_THE_MACHINE.items() if mode not in modes]
    for names, told in (
        (of_the_card, "the detector's card has its own"),
        (of_the_machine, "a run of --mode=train does"),
    ):
        passed_over = [f"--{name}" for name in names if flag_values[name].present]
        if passed_over:
            print(f"--mode={mode} does not read {', '.join(passed_over)}: {told}")
