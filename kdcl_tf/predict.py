"""Classifies photographs with an exported student: the classes of each image, with probabilities.

kdcl-predict --model=runs/my_run/students/resnet32 --image=cat.jpg,photos
kdcl-predict --model=runs/my_run --student=resnet32 --image=photos --output=seen.html
"""

from __future__ import annotations

import sys

from absl import flags

from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.files import outputs, streams
from kdcl_tf.prediction import images, student as student_lib, writing
from kdcl_tf.programs import command_line
from kdcl_tf.serving import replacing
from kdcl_tf.training import flags as training_flags


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what predicts, of what, and where it is written."""
    flags.DEFINE_string(
        "model",
        None,
        "An exported student, WORKDIR/students/NAME; a run, WORKDIR; or a .tflite or .onnx file.",
        flag_values,
    )
    flags.DEFINE_string("student", None, "Which student of a run that has several.", flag_values)
    flags.DEFINE_list(
        "image",
        [],
        "Image files, and folders: all images in them and in their folders.",
        flag_values,
    )
    flags.DEFINE_integer(
        "top", 5, "How many classes are named, the most probable first.", 1, flag_values=flag_values
    )
    training_flags.define_image_flags(flag_values, ImageRules(), training_flags.AS_TRAINED)
    flags.DEFINE_integer("batch_size", 32, "Images at a time.", 1, flag_values=flag_values)
    flags.DEFINE_string(
        "output",
        None,
        "Also write the predictions to this file: a table (.csv), data (.json), or a page with "
        "the pictures (.html).",
        flag_values,
    )


def main(flag_values: flags.FlagValues) -> None:
    """Finds the student and the images, predicts, prints and writes."""
    values = {name: flag_values[name].value for name in ("model", "student", "top", "batch_size")}
    with command_line.user_errors():
        output = outputs.named("output", flag_values["output"].value)
        writing.check(output)
        rules = training_flags.image_rules(flag_values)
        path = student_lib.find(values["model"], values["student"])
        found = images.find(flag_values["image"].value)
        writing.check_apart(output, found.paths)
        replacing.check_apart(output, [path])
    command_line.import_tensorflow(decodes=True)
    from kdcl_tf.evaluation import loaded
    from kdcl_tf.prediction import predicting, telling

    with command_line.user_errors(), streams.without_libraries():
        (student,) = loaded.load_students([path])
        predictions = predicting.predictions(
            student, found.paths, values["top"], values["batch_size"], rules
        )
    top = min(values["top"], len(student.card["class_names"]))
    rules = rules.as_trained(student.card)
    subject = writing.Subject(student.name, str(path), len(found.paths), top, rules)
    print(found.told, file=sys.stderr)
    try:
        with streams.without_libraries(), writing.opened(output, subject) as add:
            skipped = telling.tell(predictions, len(found.paths), add)
    except telling.NothingRead as error:
        command_line.fail(str(error))
    if skipped:
        print(f"{skipped:,} of {len(found.paths):,} images could not be read", file=sys.stderr)
    if output:
        print(f"predictions: {output}", file=sys.stderr)


def cli() -> None:
    """Entry point of `kdcl-predict`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
