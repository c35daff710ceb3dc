"""Test accuracy against parameters: each student alone, and with every kind of method."""

from __future__ import annotations

import pathlib

from drawing import style
from drawing.evidence import evidence
from kdcl_tf.reproduction.reporting import statistics

# Names of rows, and how they look.  KDCL is full, with ICL where there is a choice.
_LOOKS = {
    "KD": (("kd_wrn_to_resnet", "kd_resnet_to_wrn"), "o", style.PAPER),
    "DML": (("dml",), "s", style.PAPER),
    "ONE": (("one",), "^", style.PAPER),
    "CLNN": (("clnn",), "v", style.PAPER),
    "KDCL-Naive + ICL": (("naive_icl",), "P", style.SKY),
    "KDCL-Linear + ICL": (("linear_icl",), "X", style.ORANGE),
    "KDCL-MinLogit + ICL": (("min_logit_icl",), "D", style.VERMILION),
    "KDCL-General + ICL": (("general_icl",), "*", style.BLUE),
}
ALT = (
    "Test accuracy against the million parameters of a student. At each student's size a dash "
    "marks training alone, hollow markers KD, DML, ONE and CLNN, and full ones KDCL's ensembles. "
    "A marker lies above the dash by its gain, the median over the seeds that it has; what lies "
    "above gains, and costs no parameter more when the student is served."
)


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    found = evidence()
    subject = found.subject
    baseline = subject.table.row(subject.table.baseline)
    names = [row.name for row in found.gaining]
    figure, ((axes,),) = style.new(3.9)
    places = [_alone(subject.records, baseline, column) for column in range(2)]
    axes.plot(*zip(*places), linestyle="none", marker="_", markersize=26, markeredgewidth=3,
              color=style.INK, label="alone")  # fmt: skip
    shown = {label: look for label, look in _LOOKS.items() if set(look[0]) & set(names)}
    for number, (label, (rows, marker, colour)) in enumerate(shown.items()):
        points = [
            _gaining(subject.records, subject.table.row(row), column, places[column][1])
            for row in rows
            if row in names
            for column in range(2)
        ]
        # A little to the side, so that markers do not hide each other.
        aside = 0.007 * (number - (len(shown) - 1) / 2)
        axes.plot(
            *zip(*[(x + aside, y) for x, y in filter(None, points)]),
            linestyle="none",
            marker=marker,
            markersize=10 if marker == "*" else 7.5,
            markerfacecolor=colour,
            markeredgecolor=style.INK,
            label=label,
        )
    _name(axes, subject.columns, places)
    axes.grid(alpha=0.3)
    # The dash of the legend would lie on its text.
    figure.legend(loc="outside right center", fontsize=9, handlelength=3.0)
    figure.suptitle(f"Accuracy against parameters ({found.title})", fontsize=11)
    style.save(figure, path)


def _name(axes, headings, places):
    axes.set(xlabel="million parameters of the student that is served", ylabel="test accuracy (%)")
    axes.margins(x=0.25, y=0.16)
    for heading, (x, _) in zip(headings, places):
        axes.text(x, 0.02, heading, ha="center", va="bottom", weight="bold",
                  transform=axes.get_xaxis_transform())  # fmt: skip


def _alone(records, row, column):
    """`(million parameters, accuracy)` of a student that trains alone, the median over seeds."""
    accuracy = statistics.median(records.accuracies(row, column).values())
    return _millions(records, row, column), accuracy


def _gaining(records, row, column, alone):
    """The same of a student that learns from others; None without one of the row's own.

    The accuracy is that of training alone plus the gain, paired by seed: a row of one seed would
    else be compared with the median of three.
    """
    found = {} if records.is_teacher(row, column) else records.gains(row, column)
    if not found:
        return None
    return _millions(records, row, column), alone + statistics.median(found.values())


def _millions(records, row, column):
    return max(records.values(row, column, "parameters").values()) / 1e6
