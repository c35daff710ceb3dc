"""The paper's CIFAR-100 tables: the rows, their flagfiles and the numbers printed there."""

from kdcl_tf.reproduction.tables.table import Row, Sweep, Table

FOLDER = "cifar100"

_PAIR = ("ResNet-32", "WRN-16-2")


def _table_7():
    one_student = {"reports": (0, None)}
    return Table(
        folder=FOLDER,
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
                reports=(0, ("vanilla", 1)),
                teacher=("vanilla", 1),
            ),
            Row(
                "kd_resnet_to_wrn",
                "1 distill 2",
                (69.9, 74.5),
                reports=(("vanilla", 0), 0),
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
        folder=FOLDER,
        number="9",
        title="The weight of the distillation loss, KDCL-General on CIFAR-100",
        columns=_PAIR,
        baseline="lambda_1",
        over_a_cohort=True,
        sweep=Sweep("λ, the weight of the distillation loss", tuple(map(float, numbers)), True),
        rows=tuple(
            Row(f"lambda_{weight}", f"λ = {weight}", paper, invariant=True)
            for weight, paper in numbers.items()
        ),
    )


def _table_10():
    return Table(
        folder=FOLDER,
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
        folder=FOLDER,
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


CIFAR_TABLES = (_table_7(), _table_9(), _table_10(), _table_5_on_cifar())
