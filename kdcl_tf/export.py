"""Exports the students of a run from its newest checkpoint, complete or not.

kdcl-export --workdir=runs/my_run                         # SavedModels
kdcl-export --workdir=runs/my_run --format=keras --student=resnet32 --output=models
kdcl-export --workdir=runs/my_run --format=litert_int8,onnx --student=ensemble
"""

from __future__ import annotations

import pathlib

from absl import flags

from kdcl_tf import files
from kdcl_tf.classification import restoring
from kdcl_tf.programs import command_line
from kdcl_tf.serving.formats import flags as format_flags
from kdcl_tf.serving.formats.flags import define_flags


def main(flag_values: flags.FlagValues) -> None:
    """Restores the run's students, writes them, and prints what was measured of the files."""
    values = command_line.values_of(define_flags, flag_values)
    with command_line.user_errors():
        if not values["workdir"]:
            raise ValueError("expected --workdir, the folder of a run; got none")
        forms = format_flags.chosen_formats(values)
        format_flags.check_read(flag_values, forms)
        workdir = pathlib.Path(values["workdir"]).expanduser()
        settings = restoring.settings_of(workdir)
        format_flags.check_student(values["student"], settings.student_names)
    command_line.import_tensorflow(decodes=True)
    from kdcl_tf.distribution import devices

    # A GPU may round products to 10 bits, which no bound of a format allows for.  Before anything
    # else is imported, since it comes too late once TensorFlow has started its devices.
    devices.leave_gpus()
    from kdcl_tf.classification import run_images
    from kdcl_tf.serving.formats import beside, checking, exporting

    with command_line.user_errors():
        output = pathlib.Path(values["output"] or workdir / "students").expanduser()
        found, students = restoring.restore(workdir, settings)
        restoring.check_epoch(workdir, output, found)
        output.mkdir(parents=True, exist_ok=True)
        files.check_writable(output)
        models = exporting.models_of(values["student"], students, found)
        is_own = restoring.is_own(workdir, output)
        beside.check(output, [model.card for model in models], forms, is_own)
        card = next(iter(found.values()))
        pictures, calibration = run_images.of_flags(values, forms, settings, card)
        rows, missed = exporting.write_all(models, forms, output, pictures, calibration)
    if rows:
        print(f"\n{checking.table(rows)}")
    if missed:
        command_line.fail("; ".join(missed))


def cli() -> None:
    """Entry point of `kdcl-export`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
