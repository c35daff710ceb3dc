"""The paper's CIFAR-100 tables: the rows, their flagfiles and the numbers printed there."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: a setting, which is one flagfile, run once a seed.

    Attributes:
      name: of the folder its runs are in, and of `flags/cifar100/<name>.flags`.
      label: as the paper prints it.
      paper: the paper's accuracy in %, a number a column, None where it has none.
      invariant: whether the paper ticks ICL.
      reports: for each column the position of the student among the run's, or None.
      teacher: `(row, column)` of the student that teaches this row; it fills its column.
    """

    name: str
    label: str
    paper: tuple
    invariant: bool = False
    reports: tuple = (0, 1)
    teacher: tuple | None = None


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
      sweep: what its rows are values of, or None.
    """

    number: str
    title: str
    columns: tuple
    rows: tuple
    baseline: str
    sweep: Sweep | None = None

    def row(self, name):
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)


_PAIR = ("ResNet-32", "WRN-16-2")


def _table_7():
    one_student = {"reports": (0, None)}
    return Table(
        number="7",
        title="Methods, and the effect of invariant collaborative learning, on CIFAR-100",
        columns=_PAIR,
        baseline="vanilla",
        rows=(
            Row("vanilla", "Vanilla", (69.9, 72.2)),
            Row(
                "kd_wrn_to_resnet",
                "2 distill 1",
                (73.3, 72.2),
                reports=(0, None),
                teacher=("vanilla", 1),
            ),
            Row(
                "kd_resnet_to_wrn",
                "1 distill 2",
                (69.9, 74.5),
                reports=(None, 0),
                teacher=("vanilla", 0),
            ),
            Row("dml", "DML", (73.3, 74.8)),
            Row("one", "ONE", (73.6, None), **one_student),
            Row("clnn", "CLNN", (73.4, None), **one_student),
            Row("naive", "KDCL-Naive", (73.7, 74.8)),
            Row("naive_icl", "KDCL-Naive", (73.8, 74.9), invariant=True),
            Row("linear", "KDCL-Linear", (73.4, 74.6)),
            Row("linear_icl", "KDCL-Linear", (73.6, 74.9), invariant=True),
            Row("min_logit", "KDCL-MinLogit", (73.0, 74.1)),
            Row("min_logit_icl", "KDCL-MinLogit", (73.5, 74.6), invariant=True),
            Row("general", "KDCL-General", (74.0, 75.2)),
            Row("general_icl", "KDCL-General", (74.3, 75.5), invariant=True),
        ),
    )


def _table_9():
    numbers = {
        "0.1": (71.5, 73.9),
        "0.2": (73.3, 74.5),
        "0.5": (73.8, 75.0),
        "1": (74.3, 75.5),
        "2": (74.7, 76.1),
        "5": (74.0, 74.9),
        "10": (72.9, 74.5),
    }
    return Table(
        number="9",
        title="The weight of the distillation loss, KDCL-General on CIFAR-100",
        columns=_PAIR,
        baseline="lambda_1",
        sweep=Sweep("λ, the weight of the distillation loss", tuple(map(float, numbers)), True),
        rows=tuple(
            Row(f"lambda_{weight}", f"λ = {weight}", paper, invariant=True)
            for weight, paper in numbers.items()
        ),
    )


def _table_10():
    return Table(
        number="10",
        title="Training with Cutout, on CIFAR-100",
        columns=_PAIR,
        baseline="cutout_vanilla",
        rows=(
            Row("cutout_vanilla", "Vanilla", (72.3, 74.3)),
            Row("cutout_general", "KDCL-General", (74.3, 75.5)),
            Row("cutout_general_icl", "KDCL-General", (74.6, 75.8), invariant=True),
        ),
    )


def _table_5_on_cifar():
    return Table(
        number="5_cifar100",
        title="The number of students: ResNet-32 on CIFAR-100 (the paper's Table 5 is of ResNet-18 "
        "on ImageNet), KDCL-MinLogit, the first student",
        columns=("ResNet-32",),
        baseline="students_1",
        sweep=Sweep("number of students", (1, 2, 3, 4, 5)),
        rows=tuple(
            Row(f"students_{count}", f"M = {count}", (None,), invariant=count > 1, reports=(0,))
            for count in range(1, 6)
        ),
    )


TABLES = {
    table.number: table for table in (_table_7(), _table_9(), _table_10(), _table_5_on_cifar())
}
