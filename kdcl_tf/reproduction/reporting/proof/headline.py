"""The table that sums up the proof: what every method gains, on few images and on all."""

from __future__ import annotations

from collections.abc import Sequence

from kdcl_tf.reproduction.reporting import cells, gains, statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Paragraph
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables.catalogue import TABLES

# With ICL where there is a choice, as the paper recommends.
_METHODS = (
    "kd_wrn_to_resnet", "dml", "naive_icl", "linear_icl", "min_logit_icl", "general_icl"
)  # fmt: skip
_ALONE = "vanilla"
_PAPER = TABLES["7"]


def headline(subjects: Sequence[Subject]) -> list[Grid | Paragraph]:
    """The gains of the methods at every scale beside the paper's, and what is not done.

    Args:
      subjects: tables whose columns are the paper's two students, such as those of the first
        parts of the proof.
    """
    heads = ["Method"]
    for subject in subjects:
        heads += [f"{heading}, {subject.scale.name}" for heading in subject.columns]
    heads += [f"{heading}, paper" for heading in _PAPER.columns]
    done = [name for name in _METHODS if any(_is_done(each, name) for each in subjects)]
    grid = Grid(
        heads=tuple(heads),
        rows=(_alone_row(subjects), *(_row(subjects, name) for name in done)),
        quiet=frozenset([0]),
        caption="Test accuracy after the last epoch: in % of students that train alone, and gains "
        "over them in percentage points, paired by seed. General is compared with students that "
        "train alone on as many images. "
        + " ".join(_scale_text(subject) for subject in subjects)
        + " The paper: all of CIFAR-100, 200 epochs, the median of 5 seeds; only the signs "
        "and the order of the gains at these scales can be compared with the paper's.",
    )
    missing = "; ".join(filter(None, map(_missing, subjects)))
    return [grid, *([Paragraph(f"Not done yet: {missing}.")] if missing else [])]


def _missing(subject):
    """`at small scale: Vanilla, DML`, of the planned rows that have no numbers yet."""
    rows = [row.name for row in subject.table.rows]
    names = [name for name in (_ALONE, *_METHODS) if name in rows and not _is_done(subject, name)]
    labels = ", ".join(_PAPER.row(name).full_label for name in names)
    return f"at {subject.scale.name} scale: {labels}" if labels else ""


def _scale_text(subject):
    """What a scale is, and how many seeds its gains are of."""
    most = _most_seeds(subject)
    scale = subject.scale
    text = f"Scale {scale.name}: {scale.brief or scale.description}"
    if most < 2:
        return f"{text}, {'one seed' if most else 'no run is complete'}."
    text += f", the mean of {most} seeds unless a cell names fewer"
    text += ", with its 95% interval by Student's t in brackets" if most > 2 else ""
    return f"{text}; all seeds train on the same images."


def _most_seeds(subject):
    return max((len(subject.records.complete(row)) for row in subject.table.rows), default=0)


def _is_done(subject, name):
    """Whether there is a gain: of a run, and of the baseline of the same seed."""
    rows = [row for row in subject.table.rows if row.name == name]
    return any(subject.records.gains(row, 0) for row in rows)


def _alone_row(subjects):
    texts = [_PAPER.row(_ALONE).label]
    for subject in subjects:
        row = subject.table.row(_ALONE)
        for column in range(len(subject.columns)):
            values = subject.records.accuracies(row, column).values()
            text = cells.number(statistics.mean(values), 2)
            texts.append(text + _if_fewer(subject, len(values)))
    return (*texts, *(cells.printed(value) for value in _PAPER.row(_ALONE).paper))


def _row(subjects, name):
    of_paper = _PAPER.row(name)
    texts = [of_paper.full_label]
    for subject in subjects:
        rows = [row for row in subject.table.rows if row.name == name]
        for column in range(len(subject.columns)):
            texts.append(_gain(subject, rows[0], column) if rows else cells.NOTHING)
    for column in range(len(_PAPER.columns)):
        is_teacher = of_paper.reports[column] == of_paper.teacher and of_paper.teacher
        gain = None if is_teacher else gains.paper_gain(_PAPER, of_paper, column)
        texts.append(cells.signed(gain, 1))
    return tuple(texts)


def _gain(subject, row, column):
    """The mean gain, with its interval where there are seeds enough, or else how few there are."""
    if subject.records.is_teacher(row, column):
        return cells.NOTHING
    found = subject.records.gains(row, column).values()
    interval, count = cells.interval(found), len(found)
    more = "" if interval == cells.NOTHING else f" ({interval})"
    more = more or _if_fewer(subject, count)
    return cells.signed(statistics.mean(found)) + more


def _if_fewer(subject, count):
    """How many seeds a cell is of, where others are of more."""
    return f" ({count} seed{'s' * (count > 1)})" if 0 < count < _most_seeds(subject) else ""
