"""The gains of a report, paired by seed, and the paper's."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting import cells, statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Heading
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables.table import Row, Table


def paper_total_gain(table: Table, row: Row) -> float | None:
    """The paper's gain summed over the columns; None where it leaves one out."""
    found = [paper_gain(table, row, column) for column in range(len(row.paper))]
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None


def paper_gain(table: Table, row: Row, column: int) -> float | None:
    """The paper's gain in one column, over the table's baseline where it prints no other."""
    ours = table.baseline_of(row).paper[column]
    baseline = table.row(table.baseline).paper[column] if ours is None else ours
    own = row.paper[column]
    return None if own is None or baseline is None else own - baseline


def paired(subject: Subject) -> Iterator[Heading | Grid]:
    """The gains paired by seed, with their intervals; nothing of one seed."""
    if subject.records.seeds < 2:
        return
    heads = ["Method", "ICL"]
    for heading in subject.columns:
        heads += [f"{heading}, paper", "ours, mean", "95% interval", "by seed"]
    sums = ["All students, paper", "ours, mean", "95% interval"] if subject.table.adds_up else []
    rows = [row for row in subject.table.rows if subject.table.baseline_of(row) != row]
    yield Heading("Gains paired by seed")
    yield Grid(
        heads=(*heads, *sums, "Seeds"),
        rows=tuple(_gain_row(subject, row) for row in rows),
        caption=f"{subject.at_scale} Percentage points over {subject.baseline} of the same seed. "
        "The interval is that of the mean, by Student's t on the paired differences: it needs three "
        "seeds, and of three it is wide, as 4.3 standard errors lie on each side of the mean. "
        "Where it includes 0, the seeds do not tell a gain from none. All seeds train on the same "
        "images: with others, gains would differ more.",
    )


def _gain_row(subject, row):
    records, table = subject.records, subject.table
    texts = [row.label, cells.tick(row)]
    for column in range(len(subject.columns)):
        found = {} if records.is_teacher(row, column) else records.gains(row, column)
        by_seed = ", ".join(cells.signed(gain) for gain in found.values())
        paper = None if records.is_teacher(row, column) else paper_gain(table, row, column)
        texts += [cells.signed(paper, 1), *_mean_and_interval(found), by_seed or cells.NOTHING]
    if table.adds_up:
        total = records.total_gains(row)
        texts += [cells.signed(paper_total_gain(table, row), 1), *_mean_and_interval(total)]
    return (*texts, str(len(records.complete(row))))


def _mean_and_interval(found):
    return cells.signed(statistics.mean(found.values())), cells.interval(found.values())
