"""The parts of a table of the paper: rows, the runs behind them, and the printed numbers."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: one flagfile, which is run once for every seed.

    Attributes:
      name: the name of the flagfile, `flags/<folder of the table>/<name>.flags`, and of the
        folder of its runs.
      label: the method, as the paper prints it.
      paper: the paper's accuracy in % for each column; None where it prints none.
      invariant: whether the paper marks the row with invariant collaborative learning (ICL).
      reports: the student that each column shows: its position among the students of this
        row's run; `(run, position)` for a student of another run; or None. A row without a
        student of its own is not run.
      teacher: `(run, position)` of the student that teaches this row, or None.
      baseline: the name of the row that its gains are over, if it is not the table's baseline.
    """

    name: str
    label: str
    paper: tuple[float | None, ...]
    invariant: bool = False
    reports: tuple[int | tuple[str, int] | None, ...] = (0, 1)
    teacher: tuple[str, int] | None = None
    baseline: str | None = None

    @property
    def is_run(self) -> bool:
        """Whether the row has a flagfile and runs of its own."""
        return any(isinstance(each, int) for each in self.reports)


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The setting whose values are the rows of a table, so that the table is drawn as a curve.

    Attributes:
      label: the name of the setting, for the axis.
      values: its value in each row.
      logarithmic: whether the axis is logarithmic.
    """

    label: str
    values: tuple[float, ...]
    logarithmic: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the paper.

    Attributes:
      number: the value of `--table`.
      title: what the table shows.
      columns: the headings of the columns, usually one for each student.
      rows: the printed rows, in the paper's order.
      baseline: the name of the row that gains are over.
      folder: the folder of the flagfiles in `flags/`.
      sweep: the setting whose values are the rows, or None.
      alone: rows that are not printed, but run because printed rows report their students, such
        as teachers.
      measures: the key of a student's results in `result.json` that each column shows;
        by default "accuracy" for all.
    """

    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    baseline: str
    folder: str
    sweep: Sweep | None = None
    alone: tuple[Row, ...] = ()
    measures: tuple[str, ...] | None = None

    @property
    def runs(self) -> tuple[Row, ...]:
        """The rows that are run, printed or not."""
        return (*self.alone, *(row for row in self.rows if row.is_run))

    def row(self, name: str) -> Row:
        """The printed row of that name."""
        return next(row for row in self.rows if row.name == name)

    def run(self, name: str) -> Row:
        """The row of that name among those that are run."""
        return next(row for row in self.runs if row.name == name)

    def baseline_of(self, row: Row) -> Row:
        """The row that the gains of another row are over."""
        return self.row(row.baseline or self.baseline)

    def measure(self, column: int) -> str:
        """The key of a student's results in `result.json` that a column shows."""
        return self.measures[column] if self.measures else "accuracy"

    @property
    def adds_up(self) -> bool:
        """Whether the gains of a row can be summed: only if its columns are several students."""
        return self.measures is None and len(self.columns) > 1
