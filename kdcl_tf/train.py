"""Trains a cohort of students and exports each.

    kdcl-train --compare                             # the quickstart, on digits
    kdcl-train --flagfile=kdcl:cifar100/general_icl  # the best row of the paper's Table 7

Run again with the same flags, it continues where it was stopped.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from kdcl_tf.classification import flags as classification_flags, initial_sources
from kdcl_tf.classification.flags import default_workdir, settings_from_flags
from kdcl_tf.comparison import flags as comparison_flags
from kdcl_tf.programs import command_line, launch


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of a run, and of a comparison of runs."""
    classification_flags.define_flags(flag_values)
    comparison_flags.define_flags(flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Sets up, trains and reports; see the module's docstring."""
    with command_line.user_errors():
        settings = settings_from_flags(flag_values)
        comparison_flags.check(flag_values, settings)
        compares = flag_values["compare"].value
        default = f"{default_workdir(settings)}{'_compared' * compares}"
        path = flag_values["workdir"].value or default
        # Other workers do not know whether the run has begun, and then needs no sources.
        if launch.is_chief(settings):
            initial_sources.check(settings, path)
    if compares:
        _compare(flag_values, settings, path)
        return

    def create_session(workdir, cluster):
        from kdcl_tf.classification.task import Classification
        from kdcl_tf.training.session import Session

        values = {name: flag_values[name].value for name in ("data_dir", "placement", "tpu")}
        task = Classification(settings, values["data_dir"], values["placement"])
        saving = {
            "checkpoint_seconds": flag_values["checkpoint_seconds"].value,
            "steps_per_loop": flag_values["steps_per_loop"].value,
            "keep_checkpoints": flag_values["keep_checkpoints"].value,
        }
        return Session(task, workdir, cluster, values["tpu"], **saving)

    launch.run(
        settings,
        path,
        create_session,
        report,
        flag_values["logical_devices"].value,
        flag_values["data_dir"].value,
        flag_values["placement"].value,
    )


def _compare(flag_values, settings, path):
    from kdcl_tf.comparison import comparing

    workdir = pathlib.Path(path).expanduser()
    with command_line.user_errors():
        seeds, data_dir = flag_values["seeds"].value, flag_values["data_dir"].value
        runs = comparing.prepare(settings, seeds, workdir, data_dir)
    if len(settings.student_names) == 1 and settings.method in ("kdcl", "mutual_learning"):
        print(
            "one student alone learns from no other: pass two or more --students for a gain",
            flush=True,
        )
    arguments = comparison_flags.of_every_run(flag_values, settings)
    at_once = flag_values["runs_at_once"].value
    try:
        print(comparing.compare(settings, runs, workdir, arguments, at_once))
    except comparing.RunFailed as failure:
        command_line.fail(str(failure))


def report(result: Mapping[str, Any], path: pathlib.Path) -> str:
    """The end of a run for a person: a line a student, and where everything is."""
    lines = [
        f"{name}: test accuracy {_accuracies(student)}, {student['parameters']:,} parameters, "
        f"{path / student['saved_model']}"
        for name, student in result["students"].items()
    ]
    lines.append(f"ensemble: test accuracy {result['ensemble_accuracy']:.2%}")
    # Results of older versions do not tell: they are of the last epoch.
    if "exported_epoch" in result:
        epoch = f"epoch {result['exported_epoch']} of {result['epochs']}"
        lines.append(f"exported: {epoch}, {result['kept']}")
    bad = result.get("data", {}).get("bad_images")
    if bad:
        lines.append(f"{bad} images could not be decoded: {path / 'bad_images.txt'}")
    lines.append(f"plot: {path / 'accuracy.png'}; numbers: {path / 'result.json'}")
    return "\n".join(lines)


def _accuracies(student):
    """A student's accuracy, and the further ones that tell something."""
    kinds = {"balanced_accuracy": "balanced", "top_5_accuracy": "top-5"}
    further = [f"{told} {student[kind]:.2%}" for kind, told in kinds.items() if kind in student]
    return ", ".join([f"{student['accuracy']:.2%}", *further])


def cli() -> None:
    """Entry point of `kdcl-train`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
