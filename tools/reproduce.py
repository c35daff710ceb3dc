"""Runs a table of the paper, every row and seed, and writes the report.

    python tools/reproduce.py --table=7 --scale=small --seeds=1 --data_dir=DIR
    python tools/reproduce.py --table=7 --seeds=5 --data_dir=DIR --shard=0/4

Run again with the same flags it continues: complete runs stay, the one that was stopped goes on
from its last checkpoint.  Machines that share the folder take a shard each, and each renews the
report of what is there.  DIR holds cifar100/ as TFDS prepares it.
"""

import os
import pathlib
import shlex
import signal

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.reproduction import plan, runner
from kdcl_tf.reproduction.reporting import report
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.training.interruption import SIGNALS

_ROOT = pathlib.Path(__file__).resolve().parents[1]


def define_flags(flag_values):
    """Defines what to run, where, and which part of it."""
    flags.DEFINE_enum("table", "7", list(TABLES), "The paper's table.", flag_values)
    flags.DEFINE_enum(
        "scale",
        "full",
        list(scales.NAMES),
        "full is the paper's recipe. small is its shape on few images: 100 "
        "epochs, as the larger student gains only once it over-fits as in the paper (83 and 97 % "
        "of the training images; 52 and 75 % in 60 epochs; 93 and 99 % there). digits is a trial.",
        flag_values,
    )
    flags.DEFINE_integer(
        "seeds", 5, "Runs of each row, seeds 0, 1, ...", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_string(
        "folder",
        None,
        "Of the runs and the report; by default runs/table<table>_<scale>.",
        flag_values,
    )
    flags.DEFINE_list(
        "rows",
        [],
        "Only these rows, by the names of their flagfiles, in this order; by default all.",
        flag_values,
    )
    flags.DEFINE_string("shard", "0/1", "i/n: this is machine i (from 0) of n.", flag_values)
    flags.DEFINE_bool(
        "report_only", False, "Write the report of the runs that are there.", flag_values
    )


def parse_shard(text):
    """`(index, count)` of i/n.

    Raises:
      ValueError: when it is not that.
    """
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise ValueError(f"--shard={text}: wanted i/n with i from 0 to n - 1, such as 0/4")
    return int(index), int(count)


def command(values):
    """The command line of all machines together, for the report."""
    parts = ["python", "tools/reproduce.py", f"--table={values['table'].value}"]
    parts += [f"--scale={values['scale'].value}", f"--seeds={values['seeds'].value}"]
    return shlex.join(parts) + " --data_dir=DIR"


def _in_project(folder):
    """The folder as seen from the project's, from where flagfiles name those they nest."""
    folder = folder.absolute()
    return folder.relative_to(_ROOT) if folder.is_relative_to(_ROOT) else folder


def main(flag_values):
    """Plans, runs and reports."""
    table = TABLES[flag_values["table"].value]
    scale = scales.scale(flag_values["scale"].value, table)
    seeds = flag_values["seeds"].value
    data_dir = flag_values["data_dir"].value
    folder = pathlib.Path(
        flag_values["folder"].value or f"runs/table{table.number}_{scale.name}"
    ).expanduser()
    with command_line.user_errors():
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
    report.write(folder, table, scale.headings(table), scale, command(flag_values), seeds)
    print(f"{folder / 'report.html'}\n{folder / 'report.md'}")
    if failure:
        command_line.fail(failure)


def _run(runs, arguments):
    """Completes the runs; what went wrong, or None."""
    # Raised where the run is waited for, which asks it to save and end.
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
