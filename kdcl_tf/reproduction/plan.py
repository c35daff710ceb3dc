"""Plans the runs of a table: one run of `kdcl-train` for every row and seed."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from kdcl_tf.classification import flags as classification_flags
from kdcl_tf.classification.settings import Settings
from kdcl_tf.files import flagfiles
from kdcl_tf.reproduction.tables.scales import Scale
from kdcl_tf.reproduction.tables.table import Table
from kdcl_tf.training.settings import MACHINE_SETTINGS


def folder_name(table: Table, scale: Scale) -> str:
    """The name of the folder that has the runs of a table: `table7_small`."""
    return f"table{table.home or table.number}_{scale.name}"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of `kdcl-train`.

    Attributes:
      row: the name of the table's row.
      seed: 0 or more.
      workdir: the folder of the run.
      arguments: the flags of the run, the flagfile first, without `--workdir` and `--data_dir`.
      teacher: the run whose student teaches this run, and which must be complete before it;
        or None.
    """

    row: str
    seed: int
    workdir: pathlib.Path
    arguments: tuple[str, ...]
    teacher: Run | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the run has come to its end."""
        return (self.workdir / "result.json").exists()

    @property
    def settings(self) -> Settings:
        """The `Settings` that `kdcl-train` makes of the arguments.

        Raises:
          ValueError: when `kdcl-train` would refuse the arguments.
        """
        return classification_flags.settings_from_flags(_parsed(self.arguments))


# Settings that may differ from the plan's: a teacher's path does where runs were moved.
FREE_SETTINGS = ("teacher",)


def departures(run: Run, had: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """`{flag: (as planned, as it was)}` of the flags that a run had with other values.

    Args:
      run: as planned.
      had: `{flag: text}` of the run; flags that it does not tell are not compared.
    """
    free = (*MACHINE_SETTINGS, *FREE_SETTINGS)
    return {
        name: (text, had[name])
        for name, text in run.settings.as_flags().items()
        if name not in free and had.get(name, text) != text
    }


def plan(table: Table, scale: Scale, seeds: int, folder: str | pathlib.Path) -> list[Run]:
    """All runs of a table, seed by seed, and a teacher before the runs it teaches.

    Args:
      table: the table to run.
      scale: the scale to run it at.
      seeds: the number of seeds; they are 0, 1, ...
      folder: the folder of the runs, which are in `folder/<row>/seed<k>`.
    """
    runs = []
    for seed in range(seeds):
        of_seed = {}
        for row in sorted(table.runs, key=lambda row: row.teacher is not None):
            of_seed[row.name] = _run(table, row, scale, seed, pathlib.Path(folder), of_seed)
        runs += _teachers_first([of_seed[row.name] for row in table.runs])
    return runs


def _teachers_first(runs):
    """Moves teachers before their students, and keeps the order otherwise.

    In the order of the table, the rows that are compared are complete soon after each other.
    """
    ordered = {}
    for run in runs:
        for each in filter(None, (run.teacher, run)):
            ordered[each.workdir] = each
    return list(ordered.values())


def chosen(runs: Sequence[Run], rows: Sequence[str]) -> list[Run]:
    """The runs of some rows, row by row, each after the teacher that it needs.

    Args:
      runs: what `plan` returned.
      rows: the names of the rows, in the order to run them.

    Raises:
      ValueError: for a name that no row has.
    """
    known = list(dict.fromkeys(run.row for run in runs))
    for row in rows:
        if row not in known:
            raise ValueError(f"expected rows among {', '.join(known)}; got {row}")
    return _teachers_first([run for row in rows for run in runs if run.row == row])


def shard(runs: Sequence[Run], index: int, count: int) -> list[Run]:
    """The runs of one of `count` machines; a run with a teacher goes with its teacher.

    Args:
      runs: what `plan` or `chosen` returned.
      index: the number of the machine, 0 to count - 1.
      count: the number of machines.
    """
    alone = [run for run in runs if run.teacher is None]
    mine = {run.workdir for run in alone[index::count]}
    return [run for run in runs if (run.teacher or run).workdir in mine]


def _run(table, row, scale, seed, folder, others):
    flagfile = f"--flagfile={flagfiles.SCHEME}{table.folder}/{row.flagfile or row.name}"
    overrides = {**scale.flags_of(row), "seed": str(seed)}
    teacher = None
    if row.teacher:
        name, position = row.teacher
        teacher = others[name]
        student = teacher.settings.student_names[position]
        overrides["teacher"] = str(teacher.workdir / "students" / student)
    overrides["students"] = ",".join(
        scale.students.get(each, each) for each in _flag(flagfile, "students").split(",")
    )
    arguments = [
        flagfile,
        *(f"--{key}={value}" for key, value in overrides.items()),
    ]
    return Run(row.name, seed, folder / row.name / f"seed{seed}", tuple(arguments), teacher)


def _flag(flagfile, name):
    """The value of one flag in a flagfile and the flagfiles that it includes."""
    value = _parsed([flagfile])[name].value
    return ",".join(value) if isinstance(value, list) else str(value)


def _parsed(arguments):
    """The flags of `kdcl-train` as arguments set them."""
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    values(["kdcl-train", *flagfiles.expanded(arguments)])
    return values
