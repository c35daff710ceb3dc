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
import signal
from collections.abc import Sequence

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.reproduce import parse_shard
from kdcl_tf.reproduction import plan, proof, runner
from kdcl_tf.training.interruption import SIGNALS

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
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_string(
        "folder", "runs", "The folder that has a folder of runs for each table.", flag_values
    )
    flags.DEFINE_string(
        "shard",
        "0/1",
        "i/n: runs only part i (from 0 to n - 1) of n, so that n processes can share the work.",
        flag_values,
    )
    flags.DEFINE_bool(
        "list", False, "Runs nothing, and prints the runs in their order.", flag_values
    )


def main(flag_values: flags.FlagValues) -> None:
    """Makes the runs of a shard, one after the other."""
    data_dir = flag_values["data_dir"].value
    with command_line.user_errors():
        index, count = parse_shard(flag_values["shard"].value)
        parts = proof.named(flag_values["parts"].value)
        data_dir = data_dir and os.path.abspath(os.path.expanduser(data_dir))
        folder = pathlib.Path(flag_values["folder"].value).expanduser().absolute()
        if folder.is_relative_to(_ROOT):
            # So that no result has this machine's path of a teacher.
            folder = folder.relative_to(_ROOT)
        os.chdir(_ROOT)
        runs = plan.shard(proof.runs(parts, folder), index, count)
    if flag_values["list"].value:
        print(*_lines(runs), sep="\n")
        return
    for number in SIGNALS:
        signal.signal(number, _stop)
    arguments = [f"--data_dir={data_dir}"] if data_dir else []
    try:
        runner.Runner(runs, arguments, say=lambda line: print(line, flush=True)).run()
    except runner.RunFailed as failure:
        command_line.fail(str(failure))


def _lines(runs: Sequence[plan.Run]) -> list[str]:
    """A line for each run: where it is, its epochs, and whether it is done."""
    lines = []
    for run in runs:
        done = (run.workdir / "result.json").exists()
        lines.append(f"{run.workdir}, {run.settings.epochs} epochs{': done' if done else ''}")
    return lines


def _stop(number, _):
    name = signal.Signals(number).name
    command_line.fail(f"stopped by {name}; the same command continues", 128 + number)


if __name__ == "__main__":
    command_line.run(define_flags, main)
