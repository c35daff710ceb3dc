"""Trains a detector on a student, scores it as COCO does, and draws its detections.

kdcl-detect --flagfile=kdcl:coco/mask_resnet18 --dataset=coco:PATH --backbone=STUDENT
kdcl-detect --mode=evaluate --model=runs/my_run --dataset=coco:PATH
kdcl-detect --mode=predict --model=runs/my_run --image=street.jpg,photos --output=seen
"""

from __future__ import annotations

import os
import pathlib
import sys

from absl import flags

from kdcl_tf.detection import flags as detection_flags, modes, places, report
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.modes import define_flags
from kdcl_tf.files import extras, outputs, streams
from kdcl_tf.programs import command_line
from kdcl_tf.serving import replacing
from kdcl_tf.training import flags as training_flags


def main(flag_values: flags.FlagValues) -> None:
    """Trains, evaluates or predicts; see the module's docstring."""
    with command_line.user_errors():
        extras.require("pycocotools")
        modes.check(flag_values)
    mode = flag_values["mode"].value
    {"train": _train, "evaluate": _evaluate, "predict": _predict}[mode](flag_values)


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
        return Session(task, workdir, cluster, **training_flags.saving(flag_values))

    launch.run(
        settings,
        path,
        create_session,
        report.of_run,
        logical_devices=flag_values["logical_devices"].value,
        data_dir=flag_values["data_dir"].value,
    )


def _evaluate(flag_values):
    with command_line.user_errors():
        output = outputs.named("output", flag_values["output"].value, places.DETECTIONS)
        model = flag_values["model"].value
        replacing.check_apart(output, [os.path.expanduser(model)] if model else [])
        # Files of the run's own data set are checked with those that the run named.
        if flag_values["dataset"].present:
            named = detection_flags.named_files(flag_values)
            coco_loading.validate_name(flag_values["dataset"].value, named)
    model = _model(flag_values)
    from kdcl_tf.data.bad_images import BadImageError
    from kdcl_tf.detection import evaluation

    with command_line.user_errors():
        scenes, lines = evaluation.scenes_to_score(model, flag_values)
    for line in lines:
        print(line, flush=True)
    try:
        scorer = evaluation.score(model, scenes)
    except BadImageError as error:
        command_line.fail(str(error))
    result = scorer.result()
    print("\n".join(report.figures(result)))
    if output:
        evaluation.write(scorer, result, output)
        print(f"numbers: {output}")


def _predict(flag_values):
    with command_line.user_errors():
        images, told = places.images(flag_values["image"].value)
        output, model = flag_values["output"].value, flag_values["model"].value
        output = places.folder_to_draw_to(output, images, model)
        rules = training_flags.image_rules(flag_values)
    model = _model(flag_values)
    from kdcl_tf.detection import prediction

    least_score = flag_values["least_score"].value
    # All before the first is drawn; of a damaged one the decoders print, too.
    with command_line.user_errors(), streams.without_notices():
        for image in images:
            prediction.check(image, rules)
        output.mkdir(parents=True, exist_ok=True)
    if told:
        print(f"found {len(images):,} images; {told}", file=sys.stderr)
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


def cli() -> None:
    """Entry point of `kdcl-detect`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
