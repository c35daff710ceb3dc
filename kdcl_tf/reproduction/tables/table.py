"""The parts of a table: rows, the runs behind them, and the numbers that the paper prints."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table: one flagfile, which is run once for every seed.

    Attributes:
      name: the name of the folder of its runs, and of its flagfile, unless that has another.
      label: the method, as the paper prints it.
      paper: the paper's accuracy in % for each column; None where it prints none.
      invariant: whether the paper marks the row with invariant collaborative learning (ICL).
      reports: the student that each column shows: its position among the students of this
        row's run; `(run, position)` for a student of another run; or None. A row without a
        student of its own is not run.
      teacher: `(run, position)` of the student that teaches this row, or None.
      baseline: the name of the row that its gains are over, if it is not the table's baseline.
      flagfile: the name of the flagfile, `flags/<folder of the table>/<flagfile>.flags`, if it is
        not the row's.
      flags: `(name, text)` of the flags of `kdcl-train` that differ from the flagfile and from the
        scale.
    """

    name: str
    label: str
    paper: tuple[float | None, ...]
    invariant: bool = False
    reports: tuple[int | tuple[str, int] | None, ...] = (0, 1)
    teacher: tuple[str, int] | None = None
    baseline: str | None = None
    flagfile: str = ""
    flags: tuple[tuple[str, str], ...] = ()

    @property
    def full_label(self) -> str:
        """The method, and whether with ICL: `KDCL-Naive + ICL`."""
        return self.label + (" + ICL" if self.invariant else "")

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
    """A table of the paper, or one of our own.

    Attributes:
      number: the value of `--table`; in the paper's tables, it begins with the paper's number.
      title: what the table shows.
      columns: the headings of the columns, usually one for each student.
      rows: the printed rows, in the paper's order.
      baseline: the name of the row that gains are over.
      over_a_cohort: whether the students of the baseline train in a cohort, too, and not alone, as
        in the other tables; captions then name it.
      folder: the folder of the flagfiles in `flags/`.
      sweep: the setting whose values are the rows, or None.
      alone: rows that are not printed, but run because printed rows report their students, such
        as teachers.
      measures: the key of a student's results in `result.json` that each column shows;
        by default "accuracy" for all.
      heading: the name of a table that the paper does not have.
      home: the number of the table in whose folder the runs are, if it is another: rows of the
        same name are then the same runs.
      scales: the names of the scales at which there is such a table; by default, all of its
        folder.
    """

    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    baseline: str
    folder: str
    over_a_cohort: bool = False
    sweep: Sweep | None = None
    alone: tuple[Row, ...] = ()
    measures: tuple[str, ...] | None = None
    heading: str = ""
    home: str = ""
    scales: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """What the table is called: `Table 7`, or the heading of one of our own."""
        return self.heading or f"Table {self.number.partition('_')[0]}"

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

    def students_of(self, name: str) -> int:
        """How many students a run of that name has at least, by what the table reports of it."""
        positions = [each for each in self.run(name).reports if isinstance(each, int)]
        for row in (*self.rows, *self.alone):
            taken = (*row.reports, row.teacher)
            positions += [each[1] for each in taken if isinstance(each, tuple) and each[0] == name]
        return max(positions, default=-1) + 1

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
