"""Trains a detector on a student, scores it as COCO does, and draws its detections.

kdcl-detect --flagfile=kdcl:coco/mask_resnet18 --dataset=coco:PATH --backbone=STUDENT
kdcl-detect --mode=evaluate --model=runs/my_run --dataset=coco:PATH
kdcl-detect --mode=predict --model=runs/my_run --image=street.jpg,photos --output=seen
"""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from kdcl_tf.detection import flags as detection_flags, report as report_lib
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.files import escaping, extras
from kdcl_tf.prediction import images as image_names
from kdcl_tf.programs import command_line
from kdcl_tf.serving import exported
from kdcl_tf.training import flags as training_flags

MODES = ("train", "evaluate", "predict")

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
        MODES,
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


def main(flag_values: flags.FlagValues) -> None:
    """Trains, evaluates or predicts; see the module's docstring."""
    mode = flag_values["mode"].value
    with command_line.user_errors():
        extras.require("pycocotools")
        _check_mode(mode, flag_values)
    {"train": _train, "evaluate": _evaluate, "predict": _predict}[mode](flag_values)


def _check_mode(mode, flag_values):
    """Refuses flags of other modes, and names the settings that the mode does not read."""
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


def _train(flag_values):
    from kdcl_tf.programs import launch

    with command_line.user_errors():
        settings = detection_flags.settings_from_flags(flag_values)
        path = flag_values["workdir"].value or detection_flags.default_workdir(settings)
        # A complete run needs no sources, and one that goes on looks for them itself; other workers
        # do not know whether it does.
        folder = pathlib.Path(path).expanduser()
        begun = (folder / "result.json").exists() or any(folder.glob("checkpoints/*"))
        if launch.is_chief(settings) and not begun:
            settings.check_sources()

    def create_session(workdir, cluster):
        from kdcl_tf.detection import determinism
        from kdcl_tf.detection.task import Detection
        from kdcl_tf.training.session import Session

        determinism.enable()
        task = Detection(settings, flag_values["data_dir"].value)
        saving = {
            "checkpoint_seconds": flag_values["checkpoint_seconds"].value,
            "steps_per_loop": flag_values["steps_per_loop"].value,
            "keep_checkpoints": flag_values["keep_checkpoints"].value,
        }
        return Session(task, workdir, cluster, **saving)

    launch.run(
        settings,
        path,
        create_session,
        report,
        logical_devices=flag_values["logical_devices"].value,
        data_dir=flag_values["data_dir"].value,
    )


def report(result: Mapping[str, Any], path: pathlib.Path) -> str:
    """What a person reads at the end of a run: COCO's figures, and where everything is."""
    return "\n".join(
        [
            *report_lib.figures(result, "test_"),
            f"{result['parameters']:,} parameters, {path / result['detector']}",
            f"plot: {path / 'curves.png'}; numbers: {path / 'result.json'}",
        ]
    )


def _evaluate(flag_values):
    with command_line.user_errors():
        output = command_line.file_to_write("output", flag_values["output"].value)
        model = flag_values["model"].value
        exported.check_apart(output, [os.path.expanduser(model)] if model else [])
        named = detection_flags.named_files(flag_values)
        named.check()
        if flag_values["dataset"].present:
            coco_loading.validate_name(flag_values["dataset"].value, named)
    model = _model(flag_values)
    from kdcl_tf.data.bad_images import BadImageError
    from kdcl_tf.detection import evaluation

    with command_line.user_errors():
        scenes, lines = _scenes_to_score(flag_values, model)
    for line in lines:
        print(line, flush=True)
    try:
        scorer = evaluation.score(model, scenes)
    except BadImageError as error:
        command_line.fail(str(error))
    result = scorer.result()
    print("\n".join(report_lib.figures(result)))
    if output:
        evaluation.write(scorer, result, output)
        print(f"numbers: {output}")


def _scenes_to_score(flag_values, model):
    """(the scenes, lines that say what they are): those of the flags, or else of the detector's run."""
    from kdcl_tf.detection import evaluation

    dataset, split = flag_values["dataset"], flag_values["evaluate_on"].value
    name, named = dataset.value, detection_flags.named_files(flag_values)
    own = evaluation.named_files(model)
    if not dataset.present:
        name = model.card["dataset"]
        given = {each: path for each, path in vars(named).items() if flag_values[each].present}
        named = dataclasses.replace(own, **given)
    rules = training_flags.image_rules(flag_values)
    data_dir = flag_values["data_dir"].value
    scenes = evaluation.load_scenes(model, name, split, data_dir, named, rules)
    if not dataset.present and named.annotations_of(split) == own.annotations_of(split):
        scenes = evaluation.of_run(model, split, scenes)
    file = named.annotations_of(split)
    listed = f" ({file})" if file else ""
    lines = [*scenes.warnings(f"{split} of {name}")]
    if evaluation.is_own(model, name) and (not named or named == own):
        changes = evaluation.changes(model, split, scenes)
        told = f"{name} is not what the detector was trained with: {changes}"
        if changes and not dataset.present:
            raise ValueError(
                f"{told}; restore it, or pass --dataset={name} to evaluate on it as it is"
            )
        lines += [told] if changes else []
    return scenes, [*lines, f"{split} of {name}{listed}, {len(scenes):,} images"]


def _predict(flag_values):
    with command_line.user_errors():
        images = _images(flag_values)
        output = _folder_to_draw_to(flag_values, images)
        rules = training_flags.image_rules(flag_values)
    model = _model(flag_values)
    from kdcl_tf.detection import prediction

    least_score = flag_values["least_score"].value
    # All before the first is drawn; of a damaged one the decoders print, too.
    with command_line.user_errors(), command_line.without_notices():
        for image in images:
            prediction.check(image, rules)
        output.mkdir(parents=True, exist_ok=True)
    for image in images:
        with command_line.user_errors():
            print(prediction.draw(model, image, output, least_score, rules), flush=True)


def _model(flag_values):
    with command_line.user_errors():
        if not flag_values["model"].value:
            raise ValueError(
                f"--mode={flag_values['mode'].value}: expected --model, a detector's run; got none"
            )
    command_line.import_tensorflow(decodes=True)
    from kdcl_tf.detection.served import ServedDetector

    with command_line.user_errors():
        return ServedDetector(flag_values["model"].value)


def _images(flag_values):
    paths = [pathlib.Path(each).expanduser() for each in flag_values["image"].value]
    if not paths:
        raise ValueError(
            "--mode=predict: expected --image, files and folders separated by commas; got none"
        )
    if any(path.is_dir() for path in paths):
        command_line.import_tensorflow(decodes=True)
        from kdcl_tf.detection import prediction

        paths = prediction.in_folders(paths)
    missing = [escaping.escaped(str(path)) for path in paths if not path.is_file()]
    if missing:
        commas = image_names.told_of_commas([str(path) for path in paths])
        raise ValueError(
            f"--image: expected files; got {', '.join(missing)}, which is not there{commas}"
        )
    counts = collections.Counter(path.stem for path in paths)
    twice = [escaping.escaped(stem) for stem, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f"--image: expected files of different names; got two called {', '.join(sorted(twice))}"
        )
    return paths


def _folder_to_draw_to(flag_values, images):
    if not flag_values["output"].value:
        raise ValueError("--mode=predict: expected --output, a folder to draw to; got none")
    output = pathlib.Path(flag_values["output"].value).expanduser()
    if output.exists() and not output.is_dir():
        raise ValueError(f"--output={output}: expected a folder; got a file")
    for path in images:
        # Beside an image may lie what belongs to it, such as annotations in a file of its name.
        if output.resolve() in (path.parent.resolve(), path.resolve().parent):
            name = escaping.escaped(path.stem)
            raise ValueError(
                f"--output={output}: expected another folder than that of the images, where "
                f"{name}.png and {name}.json could replace what is there; got that of"
                f" {escaping.escaped(str(path))}"
            )
    return output


def cli() -> None:
    """Entry point of `kdcl-detect`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
