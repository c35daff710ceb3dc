"""Runs the proof: what collaborative learning gives here, in the order of worth.

    python tools/prove.py --data_dir=DIR
    python tools/prove.py --data_dir=DIR --shard=0/2       beside --shard=1/2
    python tools/prove.py --data_dir=DIR --parts=length    only a part
    python tools/prove.py --list                           what there is to run, and what is done

Run again with the same flags, it continues: complete runs stay, and the run that was stopped goes
on from its last checkpoint.  `tools/publish.py` makes the tables and pictures of what is complete.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.reproduce import complete
from kdcl_tf.reproduction import plan, proof
from kdcl_tf.reproduction.flags import parse_shard

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines which part to run, and where."""
    flags.DEFINE_list(
        "parts",
        [],
        f"Runs only these parts: {', '.join(part.name for part in proof.PARTS)}. By default all, "
        "in this order.",
        flag_values,
    )
    define_places(flag_values)
    flags.DEFINE_string(
        "shard",
        "0/1",
        "i/n: runs only part i (from 0 to n - 1) of n, so that n processes can share the work.",
        flag_values,
    )
    flags.DEFINE_bool(
        "list", False, "Runs nothing, and prints the runs in their order.", flag_values
    )


def define_places(flag_values: flags.FlagValues) -> None:
    """Defines where the images and the runs of the proof are."""
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_string(
        "folder", "runs", "The folder that has a folder of runs for each table.", flag_values
    )


def enter_project(flag_values: flags.FlagValues) -> tuple[pathlib.Path, list[str]]:
    """Goes to the project's folder, so that no file that is made has a path of this machine.

    Args:
      flag_values: with the flags of `define_places`.

    Returns:
      The folder of the folders of runs, relative where it is inside the project; and the
      flag of every program that reads images.
    """
    folder = pathlib.Path(flag_values["folder"].value).expanduser().absolute()
    data_dir = flag_values["data_dir"].value
    arguments = [f"--data_dir={pathlib.Path(data_dir).expanduser().absolute()}"] if data_dir else []
    os.chdir(_ROOT)
    return folder.relative_to(_ROOT) if folder.is_relative_to(_ROOT) else folder, arguments


def main(flag_values: flags.FlagValues) -> None:
    """Makes the runs of a shard, one after the other."""
    with command_line.user_errors():
        index, count = parse_shard(flag_values["shard"].value)
        parts = proof.named(flag_values["parts"].value)
        folder, arguments = enter_project(flag_values)
        runs = plan.shard(proof.runs(parts, folder), index, count)
    if flag_values["list"].value:
        print(*_lines(runs), sep="\n")
        return
    failure = complete(runs, arguments)
    if failure:
        command_line.fail(failure)


def _lines(runs: Sequence[plan.Run]) -> list[str]:
    """A line for each run: where it is, its epochs, and whether it is done."""
    lines = []
    for run in runs:
        done = ": done" if run.is_complete else ""
        lines.append(f"{run.workdir}, {run.settings.epochs} epochs{done}")
    return lines


if __name__ == "__main__":
    command_line.run(define_flags, main)
