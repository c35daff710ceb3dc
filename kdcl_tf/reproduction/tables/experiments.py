"""Tables that the paper does not have: what its tables leave open, in runs like theirs."""

from __future__ import annotations

from kdcl_tf.reproduction.tables.cifar import CIFAR_TABLES
from kdcl_tf.reproduction.tables.table import Row, Sweep, Table
from kdcl_tf.training.settings import milestones_at

_TABLE_7, _TABLE_9 = CIFAR_TABLES[:2]
_UNKNOWN = (None, None)

# Images of each class, and the epochs in which they take about as many steps.
LENGTHS = {45: (60, 100, 200), 200: (15, 25, 50)}
# The length and the images of the small scale itself, whose runs are those of Table 7.
_OF_THE_SCALE = (45, 100)


def _shared(row, **fields):
    """A row of Table 7 in another table: the same runs."""
    found = _TABLE_7.row(row)
    values = {"label": found.label, "invariant": found.invariant, "paper": found.paper, **fields}
    return Row(row, values.pop("label"), values.pop("paper"), **values)


def _table(number, heading, title, **fields):
    return Table(
        folder=_TABLE_7.folder,
        number=number,
        heading=heading,
        title=title,
        columns=_TABLE_7.columns,
        home=_TABLE_7.number,
        **fields,
    )


def _all_images():
    teacher = ("vanilla", 1)
    return _table(
        "all",
        "All of CIFAR-100",
        "The paper's students on all of CIFAR-100, with General compared with students that "
        "train alone on as many images",
        baseline="vanilla",
        scales=("full", "medium", "digits"),
        rows=(
            _shared("vanilla"),
            _shared("min_logit_icl"),
            Row(
                "vanilla_held_out",
                "Vanilla, 450 images per class",
                _UNKNOWN,
                flagfile="vanilla",
                flags=(("holdout_per_class", "50"),),
            ),
            _shared("general_icl", baseline="vanilla_held_out"),
            _shared("dml"),
            _shared("linear_icl"),
            _shared("kd_wrn_to_resnet", reports=(0, teacher), teacher=teacher),
        ),
    )


def _lengths():
    rows = []
    for images, lengths in LENGTHS.items():
        for epochs in lengths:
            rows += _pair(images, epochs)
    return _table(
        "length",
        "Length of training",
        "Where a cohort helps and where it hurts: MinLogit with ICL and training alone, by the "
        "number of images and epochs",
        baseline="vanilla",
        scales=("small", "digits"),
        rows=tuple(rows),
    )


def _pair(images, epochs):
    """Vanilla and MinLogit with ICL in runs of one length."""
    of_length = f"{images} images, {epochs} epochs"
    suffix, flags = f"_{images}_images_{epochs}_epochs", _flags(images, epochs)
    if (images, epochs) == _OF_THE_SCALE:
        suffix, flags = "", ()
    vanilla = f"vanilla{suffix}"
    yield Row(
        vanilla,
        f"Vanilla, {of_length}",
        _UNKNOWN,
        baseline=vanilla,
        flagfile="vanilla",
        flags=flags,
    )
    yield Row(
        f"min_logit_icl{suffix}",
        f"KDCL-MinLogit, {of_length}",
        _UNKNOWN,
        invariant=True,
        baseline=vanilla,
        flagfile="min_logit_icl",
        flags=flags,
    )


def _flags(images, epochs):
    milestones = milestones_at(epochs, (1, 2), (3, 4))
    return (
        ("train_per_class", str(images)),
        ("epochs", str(epochs)),
        ("milestones", ",".join(map(str, milestones))),
        ("evaluate_every", "5"),
    )


def _forms_of_general():
    general = "KDCL-General"
    return _table(
        "general",
        "Forms of General",
        "KDCL-General with ICL, by how its weights are found",
        baseline="vanilla",
        rows=(
            _shared("vanilla"),
            _shared("general_icl", label=f"{general}, error of the whole vector"),
            Row(
                "general_icl_target_error",
                f"{general}, error of Eq. 8 as printed",
                _TABLE_7.row("general_icl").paper,
                invariant=True,
            ),
            Row(
                "general_icl_raw_weights",
                f"{general}, weights of Eq. 11 as printed",
                _TABLE_7.row("general_icl").paper,
                invariant=True,
            ),
            Row("general_icl_equal_weights", f"{general}, equal weights", _UNKNOWN, invariant=True),
        ),
    )


def _weights_of_the_loss():
    return _table(
        "weight",
        "Weight of the distillation loss",
        "Three rows of the paper's Table 9: the weight of the distillation loss of KDCL-General "
        "with ICL",
        baseline="general_icl",
        over_a_cohort=True,
        sweep=Sweep(_TABLE_9.sweep.label, (0.2, 1.0, 5.0), True),
        rows=(
            _TABLE_9.row("lambda_0.2"),
            # The same flags as lambda_1.
            _shared("general_icl", label="λ = 1"),
            _TABLE_9.row("lambda_5"),
        ),
    )


EXPERIMENTS = (_all_images(), _lengths(), _forms_of_general(), _weights_of_the_loss())
