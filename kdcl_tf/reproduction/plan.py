"""From a table to its runs: a run of `kdcl-train` for every row and seed."""

import dataclasses
import pathlib

from absl import flags

from kdcl_tf.classification import flags as classification_flags

FLAGFILES = pathlib.Path("flags")


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of `kdcl-train`.

    Attributes:
      row: name of the table's row.
      seed: 0 or more.
      workdir: its folder.
      arguments: its flags, flagfile first, workdir and data_dir left out.
      teacher: the run that must be complete before it, or None.
    """

    row: str
    seed: int
    workdir: pathlib.Path
    arguments: tuple
    teacher: "Run | None" = None

    @property
    def settings(self):
        """The `Settings` that the arguments say.

        Raises:
          ValueError: for arguments that kdcl-train would refuse.
        """
        values = flags.FlagValues()
        classification_flags.define_flags(values)
        values(["kdcl-train", *self.arguments])
        return classification_flags.settings_from_flags(values)


def plan(table, scale, seeds, folder):
    """Every run of a table, seed by seed, a teacher before those it teaches.

    Args:
      table: `table.Table`.
      scale: `scales.Scale`.
      seeds: how many; they are 0, 1, ...
      folder: runs are in `folder/<row>/seed<k>`.

    Returns:
      A list of `Run`.
    """
    runs = []
    for seed in range(seeds):
        of_seed = {}
        for row in sorted(table.runs, key=lambda row: row.teacher is not None):
            of_seed[row.name] = _run(table, row, scale, seed, pathlib.Path(folder), of_seed)
        runs += _teachers_first([of_seed[row.name] for row in table.runs])
    return runs


def _teachers_first(runs):
    """In the table's order otherwise, so that what is compared is soon side by side."""
    ordered = {}
    for run in runs:
        for each in filter(None, (run.teacher, run)):
            ordered[each.workdir] = each
    return list(ordered.values())


def chosen(runs, rows):
    """The runs of some rows in their order, each seed by seed, after the teachers they need.

    Args:
      runs: what `plan` gave.
      rows: names of rows, the most important first.

    Raises:
      ValueError: for a name that is no row's.
    """
    known = list(dict.fromkeys(run.row for run in runs))
    for row in rows:
        if row not in known:
            raise ValueError(f"expected rows among {', '.join(known)}; got {row}")
    return _teachers_first([run for row in rows for run in runs if run.row == row])


def shard(runs, index, count):
    """The runs of one of `count` machines; what needs a teacher goes where its teacher goes.

    Args:
      runs: what `plan` gave.
      index: 0 to count - 1.
    """
    alone = [run for run in runs if run.teacher is None]
    mine = {run.workdir for run in alone[index::count]}
    return [run for run in runs if (run.teacher or run).workdir in mine]


def _run(table, row, scale, seed, folder, others):
    flagfile = FLAGFILES / table.folder / f"{row.name}.flags"
    overrides = {**scale.flags, "seed": str(seed)}
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
        f"--flagfile={flagfile}",
        *(f"--{key}={value}" for key, value in overrides.items()),
    ]
    return Run(row.name, seed, folder / row.name / f"seed{seed}", tuple(arguments), teacher)


def _flag(flagfile, name):
    """The value of one flag in a flagfile and those it nests."""
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    values(["kdcl-train", f"--flagfile={flagfile}"])
    value = values[name].value
    return ",".join(value) if isinstance(value, list) else str(value)
