"""Scores exported students, and runs the paper's analyses on them.

kdcl-evaluate --workdir=runs/my_run
kdcl-evaluate --model=runs/my_run/students/resnet32 --dataset=folder:photos
kdcl-evaluate --analysis=noise --workdir=runs/alone,runs/cohort --student=resnet32
"""

from __future__ import annotations

from absl import flags

from kdcl_tf.evaluation import flags as evaluation_flags, places
from kdcl_tf.evaluation.flags import define_flags
from kdcl_tf.programs import command_line
from kdcl_tf.training import flags as training_flags


def main(flag_values: flags.FlagValues) -> None:
    """Loads students and data, analyses them, prints and writes the findings."""
    values = command_line.values_of(define_flags, flag_values)
    with command_line.user_errors():
        of_models = values["analysis"] != "loss_gap"
        paths = places.student_paths(
            values["workdir"], values["model"], values["student"], of_models
        )
        evaluation_flags.check_read(flag_values)
        evaluation_flags.check_analysis(values, paths)
        output, plot = places.output_files(values, paths)
        values["rules"] = training_flags.image_rules(flag_values)
    command_line.import_tensorflow(decodes=True)
    from kdcl_tf.data.bad_images import BadImageError
    from kdcl_tf.evaluation import preparing

    with command_line.user_errors():
        analyse = preparing.prepare(values, paths)
    try:
        found = analyse()
    except BadImageError as error:
        command_line.fail(str(error))
    print(found.text)
    if output:
        with command_line.user_errors():
            places.write(found, values["analysis"], paths, output, plot)


def cli() -> None:
    """Entry point of `kdcl-evaluate`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
