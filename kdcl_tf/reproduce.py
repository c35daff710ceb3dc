"""Runs a table, every row and seed, and writes the report.

    kdcl-reproduce --table=7 --scale=small --seeds=1 --data_dir=DIR
    kdcl-reproduce --table=7 --seeds=5 --data_dir=DIR --shard=0/4

Run again with the same flags, it continues: complete runs stay, and the run that was stopped goes
on from its last checkpoint.  Machines that share the folder run one shard each, and each writes the
report of all runs that it finds there.  DIR is where TFDS keeps its data sets, such as cifar100/.
"""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Sequence

from absl import flags

from kdcl_tf.programs import command_line, failures
from kdcl_tf.reproduction import plan, runner
from kdcl_tf.reproduction.flags import command, define_flags, parse_shard
from kdcl_tf.reproduction.reporting import report
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES


def main(flag_values: flags.FlagValues) -> None:
    """Plans the runs, makes them and writes the report."""
    table = TABLES[flag_values["table"].value]
    seeds = flag_values["seeds"].value
    data_dir = flag_values["data_dir"].value
    with command_line.user_errors():
        scale = scales.scale(flag_values["scale"].value, table)
        folder = pathlib.Path(
            flag_values["folder"].value or f"runs/{plan.folder_name(table, scale)}"
        ).expanduser()
        index, count = parse_shard(flag_values["shard"].value)
        data_dir = data_dir and os.path.expanduser(data_dir)
        runs = plan.plan(table, scale, seeds, folder)
        rows = flag_values["rows"].value
        mine = plan.shard(plan.chosen(runs, rows) if rows else runs, index, count)
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [f"--data_dir={data_dir}"] if data_dir else []
    failure = None
    if not flag_values["report_only"].value:
        failure = complete(mine, arguments)
    paths = report.write(folder, table, scale.headings(table), scale, command(flag_values), seeds)
    print(*paths, sep="\n")
    if failure:
        command_line.fail(failure)


def complete(runs: Sequence[plan.Run], arguments: Sequence[str]) -> str | None:
    """Completes runs; a signal lets the one that trains save, and ends the program.

    Args:
      runs: in the order to run them.
      arguments: further flags for every run, such as `--data_dir`.

    Returns:
      Why some failed, or None.
    """
    # The exception is raised where the runner waits for a run, and makes it save and end.
    with failures.handled_by(_stop):
        try:
            runner.Runner(runs, arguments, say=lambda line: print(line, flush=True)).run()
        except runner.RunFailed as failure:
            return str(failure)
    return None


def _stop(number, _):
    name = signal.Signals(number).name
    command_line.fail(f"stopped by {name}; the same command continues", 128 + number)


def cli() -> None:
    """Entry point of `kdcl-reproduce`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
