"""The flags of `kdcl-reproduce`, and the command line that they make."""

from __future__ import annotations

import shlex

from absl import flags

from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES

__all__ = ["command", "define_flags", "parse_shard"]


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
