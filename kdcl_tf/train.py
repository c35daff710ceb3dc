"""Trains a cohort of students and exports each.

    kdcl-train --compare                             # the quickstart, on digits
    kdcl-train --flagfile=kdcl:cifar100/general_icl  # the best row of the paper's Table 7

Run again with the same flags, it continues where it was stopped.
"""

from __future__ import annotations

import pathlib

from absl import flags

from kdcl_tf.classification import flags as classification_flags, report
from kdcl_tf.classification.flags import default_workdir, settings_from_flags
from kdcl_tf.classification.initial import sources
from kdcl_tf.comparison import flags as comparison_flags
from kdcl_tf.programs import command_line, launch
from kdcl_tf.training import flags as training_flags


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of a run, and of a comparison of runs."""
    classification_flags.define_flags(flag_values)
    comparison_flags.define_flags(flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Sets up, trains and reports; see the module's docstring."""
    with command_line.user_errors():
        settings = settings_from_flags(flag_values)
        _check_tpu(settings, flag_values["tpu"])
        comparison_flags.check(flag_values, settings)
        compares = flag_values["compare"].value
        default = f"{default_workdir(settings)}{'_compared' * compares}"
        path = flag_values["workdir"].value or default
        # Other workers do not know whether the run has begun, and then needs no sources.
        if launch.is_chief(settings):
            sources.check(settings, path)
    if compares:
        _compare(flag_values, settings, path)
        return

    def create_session(workdir, cluster):
        from kdcl_tf.classification.task import Classification
        from kdcl_tf.training.session import Session

        values = {name: flag_values[name].value for name in ("data_dir", "placement", "tpu")}
        task = Classification(settings, values["data_dir"], values["placement"])
        saving = training_flags.saving(flag_values)
        return Session(task, workdir, cluster, values["tpu"], **saving)

    launch.run(
        settings,
        path,
        create_session,
        report.of_run,
        flag_values["logical_devices"].value,
        flag_values["data_dir"].value,
        flag_values["placement"].value,
    )


def _check_tpu(settings, flag):
    """Refuses the name of a TPU on which nothing would run."""
    if flag.present and settings.strategy != "tpu":
        raise ValueError(
            f"--tpu={flag.value} is for --strategy=tpu; got --strategy={settings.strategy}: pass both, "
            "or neither"
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


def cli() -> None:
    """Entry point of `kdcl-train`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
