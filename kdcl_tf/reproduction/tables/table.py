"""What a table of the paper is made of: rows, the runs behind them, the numbers printed there."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: a setting, which is one flagfile, run once a seed.

    Attributes:
      name: of the folder its runs are in, and of `flags/<folder of the table>/<name>.flags`.
      label: as the paper prints it.
      paper: the paper's accuracy in %, a number a column, None where it has none.
      invariant: whether the paper ticks ICL.
      reports: for each column the position of the student among the run's; or
        `(run, position)`, a student of another run; or None.  A row that has only the
        latter is not run itself.
      teacher: `(run, position)` of the student that teaches this row, or None.
      baseline: name of the row that its gains are counted from, if not the table's.
    """

    name: str
    label: str
    paper: tuple
    invariant: bool = False
    reports: tuple = (0, 1)
    teacher: tuple | None = None
    baseline: str | None = None

    @property
    def is_run(self):
        """Whether it has runs of its own, and a flagfile."""
        return any(isinstance(each, int) for each in self.reports)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A table whose rows are values of one setting, to be drawn as a curve.

    Attributes:
      label: of the setting.
      values: a number a row.
      logarithmic: the axis.
    """

    label: str
    values: tuple
    logarithmic: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
      number: as `--table` takes it.
      title: what it shows.
      columns: headings, one a student.
      rows: `Row`s, in the paper's order.
      baseline: name of the row that gains are counted from.
      folder: of the flagfiles in `flags/`.
      sweep: what its rows are values of, or None.
      alone: `Row`s that are run because printed rows report them, such as teachers.
      measures: what each column is of its student, a key of `result.json`; by default all
        are "accuracy".
    """

    number: str
    title: str
    columns: tuple
    rows: tuple
    baseline: str
    folder: str
    sweep: Sweep | None = None
    alone: tuple = ()
    measures: tuple | None = None

    @property
    def runs(self):
        """The `Row`s that are run, each once."""
        return (*self.alone, *(row for row in self.rows if row.is_run))

    def row(self, name):
        """The printed row of that name."""
        return next(row for row in self.rows if row.name == name)

    def run(self, name):
        """The row of that name that is run."""
        return next(row for row in self.runs if row.name == name)

    def baseline_of(self, row):
        """The row that another's gains are counted from."""
        return self.row(row.baseline or self.baseline)

    def measure(self, column):
        """The key of `result.json`'s students that a column shows."""
        return self.measures[column] if self.measures else "accuracy"

    @property
    def adds_up(self):
        """Whether the sum of a row's gains means something, as where columns are students."""
        return self.measures is None and len(self.columns) > 1
