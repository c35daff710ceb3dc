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
import shlex
import signal
from collections.abc import Sequence

from absl import flags

from kdcl_tf.programs import command_line, failures
from kdcl_tf.reproduction import plan, runner
from kdcl_tf.reproduction.reporting import report
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to run, where, and which part of it."""
    flags.DEFINE_enum(
        "table",
        "7",
        list(TABLES),
        "Which table to run: a number is that of the paper, a word an experiment of our own. Table 8, "
        "of detectors, is run with kdcl-detect. "
        + "; ".join(f"{number}: {_as_sentence(table.title)}" for number, table in TABLES.items())
        + ".",
        flag_values,
    )
    flags.DEFINE_enum(
        "scale",
        "full",
        list(scales.NAMES),
        "How much is trained. full: the paper's recipe. medium: the same in 60 epochs instead of 200, "
        "of CIFAR-100 only. small: the shape of the recipe on 45 images per class of CIFAR-100, also "
        "for the tables on ImageNet, with ResNet-20 in the place of ResNet-32, for 100 epochs, since "
        "the larger student gains more once it over-fits as in the paper. digits: a few epochs on "
        "scikit-learn's digits, to try the program out.",
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
        "The folder of the runs and the report; by default one in runs/ that is named after the "
        "table and the scale, such as runs/table7_small. Tables that share the runs of Table 7 use "
        "its folder.",
        flag_values,
    )
    flags.DEFINE_list(
        "rows",
        [],
        "Runs only these rows, and in this order: names of flagfiles such as general_icl, separated "
        "by commas; by default all rows.",
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


def _as_sentence(title):
    """A title without what the help takes for the end of a value's meaning."""
    return title.rstrip(".").replace(": ", ", ")


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
    parts = ["kdcl-reproduce", f"--table={values['table'].value}"]
    parts += [f"--scale={values['scale'].value}", f"--seeds={values['seeds'].value}"]
    # Where it was on this machine is not said.
    places = ["--data_dir=DIR", *(["--folder=FOLDER"] if values["folder"].value else [])]
    return f"{shlex.join(parts)} {' '.join(places)}"


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
