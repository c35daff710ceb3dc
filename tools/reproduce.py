"""Runs a table, every row and seed, and writes the report.

    python tools/reproduce.py --table=7 --scale=small --seeds=1 --data_dir=DIR
    python tools/reproduce.py --table=7 --seeds=5 --data_dir=DIR --shard=0/4

Run again with the same flags, it continues: complete runs stay, and the run that was stopped goes
on from its last checkpoint.  Machines that share the folder run one shard each, and each writes the
report of all runs that it finds there.  DIR is where TFDS keeps its data sets, such as cifar100/.
"""

from __future__ import annotations

import os
import pathlib
import shlex
import signal
from collections.abc import Sequence

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.reproduction import plan, runner
from kdcl_tf.reproduction.reporting import report
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.training.interruption import SIGNALS

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to run, where, and which part of it."""
    flags.DEFINE_enum(
        "table",
        "7",
        list(TABLES),
        "Which table to run. A number: that of the paper; 5_cifar100 is Table 5 with ResNet-32 on "
        "CIFAR-100. all: the paper's pair on all of CIFAR-100. length: few and more images, by "
        "epochs. general: forms of General. weight: three rows of Table 9. These four share the "
        "folder of Table 7, and have its rows in common.",
        flag_values,
    )
    flags.DEFINE_enum(
        "scale",
        "full",
        list(scales.NAMES),
        "full: the paper's recipe. medium: the same in 60 epochs instead of 200. small: the shape "
        "of the recipe on few images, for 100 epochs, since the larger student gains only once it "
        "over-fits as in the paper. digits: a few epochs on scikit-learn's digits, to try the "
        "program out.",
        flag_values,
    )
    flags.DEFINE_integer(
        "seeds",
        5,
        "The number of runs of each row, with the seeds 0, 1, ...",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_string(
        "folder",
        None,
        "The folder of the runs and the report; by default runs/table<table>_<scale>, with the "
        "number of the table whose runs it shares.",
        flag_values,
    )
    flags.DEFINE_list(
        "rows",
        [],
        "Runs only these rows, and in this order: names of flagfiles such as general_icl, between "
        "commas. By default runs all rows.",
        flag_values,
    )
    flags.DEFINE_string(
        "shard",
        "0/1",
        "i/n: runs only part i (from 0 to n - 1) of n, so that n machines can share the work.",
        flag_values,
    )
    flags.DEFINE_bool(
        "report_only",
        False,
        "Runs nothing, and writes the report of the runs that exist.",
        flag_values,
    )


def parse_shard(text: str) -> tuple[int, int]:
    """`(index, count)` of a text `index/count`.

    Raises:
      ValueError: when it is not such a text, or the index is not below the count.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"--shard: expected i/n with i from 0 to n - 1, such as 0/4; got {text!r}")
    return int(index), int(count)


def command(values: flags.FlagValues) -> str:
    """The command line that makes all runs, for the report."""
    parts = ["python", "tools/reproduce.py", f"--table={values['table'].value}"]
    parts += [f"--scale={values['scale'].value}", f"--seeds={values['seeds'].value}"]
    return shlex.join(parts) + " --data_dir=DIR"


def _in_project(folder):
    """The folder relative to the project's folder if it is inside, else its absolute path.

    The runs start in the project's folder, since flagfiles name each other relative to it.
    """
    folder = folder.absolute()
    return folder.relative_to(_ROOT) if folder.is_relative_to(_ROOT) else folder


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
        folder = _in_project(folder)
        data_dir = data_dir and os.path.abspath(os.path.expanduser(data_dir))
        os.chdir(_ROOT)
        runs = plan.plan(table, scale, seeds, folder)
        rows = flag_values["rows"].value
        mine = plan.shard(plan.chosen(runs, rows) if rows else runs, index, count)
        folder.mkdir(parents=True, exist_ok=True)
    arguments = [f"--data_dir={data_dir}"] if data_dir else []
    failure = None
    if not flag_values["report_only"].value:
        failure = _run(mine, arguments)
    paths = report.write(folder, table, scale.headings(table), scale, command(flag_values), seeds)
    print(*paths, sep="\n")
    if failure:
        command_line.fail(failure)


def _run(runs: Sequence[plan.Run], arguments: Sequence[str]) -> str | None:
    """Completes the runs; returns why some failed, or None."""
    # The exception is raised where the runner waits for a run, and makes it save and end.
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        runner.Runner(runs, arguments, say=lambda line: print(line, flush=True)).run()
    except runner.RunFailed as failure:
        return str(failure)
    return None


def _stop(number, _):
    name = signal.Signals(number).name
    command_line.fail(f"stopped by {name}; the same command continues", 128 + number)


if __name__ == "__main__":
    command_line.run(define_flags, main)
