"""Trains a cohort of students and exports each.

    kdcl-train                                              # the embedded quickstart
    kdcl-train --flagfile=flags/cifar100/general_icl.flags  # the paper's best CIFAR row

Run again with the same flags, it continues where it was stopped.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from kdcl_tf.classification import initial_sources
from kdcl_tf.classification.flags import default_workdir, define_flags, settings_from_flags
from kdcl_tf.programs import command_line, launch


def main(flag_values: flags.FlagValues) -> None:
    """Sets up, trains and reports; see the module's docstring."""
    with command_line.user_errors():
        settings = settings_from_flags(flag_values)
        path = flag_values["workdir"].value or default_workdir(settings)
        initial_sources.check(settings, path)

    def create_session(workdir, cluster):
        from kdcl_tf.classification.task import Classification
        from kdcl_tf.training.session import Session

        values = {name: flag_values[name].value for name in ("data_dir", "placement", "tpu")}
        task = Classification(settings, values["data_dir"], values["placement"])
        saving = {
            "checkpoint_seconds": flag_values["checkpoint_seconds"].value,
            "keep_checkpoints": flag_values["keep_checkpoints"].value,
        }
        return Session(task, workdir, cluster, values["tpu"], **saving)

    launch.run(
        settings,
        path,
        create_session,
        report,
        flag_values["logical_devices"].value,
    )


def report(result: Mapping[str, Any], path: pathlib.Path) -> str:
    """The end of a run for a person: a line a student, and where everything is."""
    lines = [
        f"{name}: test accuracy {student['accuracy']:.2%}, top-5 "
        f"{student['top_5_accuracy']:.2%}, {student['parameters']:,} parameters, "
        f"{path / student['saved_model']}"
        for name, student in result["students"].items()
    ]
    lines.append(f"ensemble: test accuracy {result['ensemble_accuracy']:.2%}")
    bad = result.get("data", {}).get("bad_images")
    if bad:
        lines.append(f"{bad} images could not be decoded: {path / 'bad_images.txt'}")
    lines.append(f"plot: {path / 'accuracy.png'}; numbers: {path / 'result.json'}")
    return "\n".join(lines)


def cli() -> None:
    """Entry point of `kdcl-train`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
