"""The tables of a report: accuracy beside the paper's, ensembles, over-fitting."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting import cells, gains, statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Heading
from kdcl_tf.reproduction.reporting.subject import Subject


def accuracies(subject: Subject) -> Iterator[Heading | Grid]:
    """The paper's table, with our numbers beside the paper's."""
    heads = ["Method", "ICL"]
    for paper, ours in zip(subject.table.columns, subject.columns):
        heads += [f"Paper {paper}", f"Ours {ours}", *subject.if_seeds("Spread"), "Gain"]
    sums = ["Paper gain", "Our gain"] if subject.table.adds_up else []
    heads += [*sums, *subject.if_seeds("Seeds")]
    rows = [_accuracy_row(subject, row) for row in subject.table.rows]
    counts = [len(subject.records.complete(row)) for row in subject.table.rows]
    most = [index for index, count in enumerate(counts) if count == max(counts)]
    own = [index for index, head in enumerate(heads) if head.startswith("Our")]
    of_sums = "; the last two gains are sums over all students" if sums else ""
    yield Heading("Accuracy, the paper's and ours")
    yield Grid(
        heads=tuple(heads),
        rows=tuple(rows),
        best=_best(rows, own, most),
        quiet=subject.baselines,
        caption=f"{subject.at_scale} Test accuracy in % after the last epoch, {subject.of_seeds}"
        + "".join(subject.if_seeds("; spread: least and greatest"))
        + f". Gain: percentage points over {subject.baseline} of the same seed{of_sums}. ICL: "
        "invariant collaborative learning. (T): the teacher, from its own row. Bold: the greatest "
        "of a column"
        + (", of the rows with the most seeds" if len(most) < len(rows) else "")
        + ".",
    )


def _accuracy_row(subject, row):
    records = subject.records
    texts = [row.label, cells.tick(row)]
    for column in range(len(subject.columns)):
        values = records.accuracies(row, column)
        taught = " (T)" if records.is_teacher(row, column) and values else ""
        texts += [
            cells.printed(row.paper[column]),
            cells.number(statistics.median(values.values()), 2) + taught,
            *subject.if_seeds(cells.span(statistics.spread(values.values()))),
            cells.signed(statistics.median(records.gains(row, column).values())),
        ]
    if subject.table.adds_up:
        texts.append(cells.signed(gains.paper_total_gain(subject.table, row), 1))
        texts.append(cells.signed(statistics.median(records.total_gains(row).values())))
    return _with_seeds(subject, row, texts)


def ensembles(subject: Subject) -> Iterator[Heading | Grid]:
    """The accuracy of the average of the students, beside that of the best of them."""
    rows = [
        row for row in subject.table.runs if subject.records.results_with(row, "ensemble_accuracy")
    ]
    if not rows:
        return
    yield Heading("Accuracy of the ensemble")
    gated = "; that of ONE is its gated teacher" * any(row.label == "ONE" for row in rows)
    yield Grid(
        heads=("Method", "Best student", "Ensemble", "Difference", *subject.if_seeds("Seeds")),
        rows=tuple(_ensemble_row(subject, row) for row in rows),
        caption=f"{subject.at_scale} In %, {subject.of_seeds}. The ensemble predicts by the "
        "average of its students' probabilities, with General's weights where there are any"
        f"{gated}.",
    )


def _ensemble_row(subject, row):
    results = [*subject.records.results_with(row, "ensemble_accuracy").values()]
    best = [max(each["accuracy"] for each in result["students"].values()) for result in results]
    ensemble = [result["ensemble_accuracy"] for result in results]
    differences = [100 * (one - other) for one, other in zip(ensemble, best)]
    return (
        row.full_label,
        cells.percent(statistics.median(best)),
        cells.percent(statistics.median(ensemble)),
        cells.signed(statistics.median(differences)),
        *subject.if_seeds(str(len(results))),
    )


def losses(subject: Subject) -> Iterator[Heading | Grid]:
    """The test loss after the last epoch, and its gap to the baseline's."""
    heads = ["Method", "ICL"]
    columns = _accuracy_columns(subject.table)
    for column in columns:
        heads += [f"{subject.columns[column]} loss", "gap"]
    yield Heading("Test loss")
    yield Grid(
        heads=(*heads, *subject.if_seeds("Seeds")),
        rows=tuple(_loss_row(subject, row, columns) for row in subject.table.rows),
        quiet=subject.baselines,
        caption=f"{subject.at_scale} Test cross-entropy in nats after the last epoch, "
        f"{subject.of_seeds}. Gap: {subject.loss_of_baseline} minus that of the method, for the "
        "same seed; above 0, the method has the lower loss.",
    )


def _loss_row(subject, row, columns):
    texts = [row.label, cells.tick(row)]
    for column in columns:
        found = subject.records.values(row, column, "cross_entropy")
        baseline = subject.records.values(subject.table.baseline_of(row), column, "cross_entropy")
        gaps = statistics.paired(baseline, found)
        texts += [
            cells.number(statistics.median(found.values()), 3),
            cells.signed(statistics.median(gaps.values()), 3),
        ]
    return _with_seeds(subject, row, texts)


def _with_seeds(subject, row, texts):
    """The cells of a row with the number of its seeds at the end, where rows may differ."""
    return (*texts, *subject.if_seeds(str(len(subject.records.complete(row)))))


def over_fitting(subject: Subject) -> Iterator[Heading | Grid]:
    """Training accuracy beside test accuracy, for every row."""
    heads = ["Method", "ICL"]
    for column in _accuracy_columns(subject.table):
        heads += [f"{subject.columns[column]} training", "test", "gap"]
    yield Heading("Training against test accuracy")
    yield Grid(
        heads=(*heads, *subject.if_seeds("Seeds")),
        rows=tuple(_over_fitting_row(subject, row) for row in subject.table.rows),
        quiet=subject.baselines,
        caption=f"{subject.at_scale} In %, {subject.of_seeds}. Training accuracy is measured during "
        "the last epoch, on distorted images and while the weights change. Gap: training minus test "
        "accuracy of the same seed; a smaller one means less over-fitting.",
    )


def _over_fitting_row(subject, row):
    texts = [row.label, cells.tick(row)]
    for column in _accuracy_columns(subject.table):
        training, test = (
            subject.records.values(row, column, key) for key in ("train_accuracy", "accuracy")
        )
        gaps = [100 * each for each in statistics.paired(training, test).values()]
        texts += [cells.percent(statistics.median(each.values())) for each in (training, test)]
        texts.append(cells.signed(statistics.median(gaps)))
    return _with_seeds(subject, row, texts)


def _accuracy_columns(table):
    return [column for column in range(len(table.columns)) if table.measure(column) == "accuracy"]


def _best(rows, columns, compared):
    """`{(row, column)}` of the cells with the greatest number of their column.

    Args:
      rows: the cells.
      columns: in which a greatest is looked for.
      compared: the positions of the rows that compare.
    """
    best = set()
    for column in columns:
        numbers = {
            index: float(row[column].replace(cells.MINUS, "-"))
            for index, row in enumerate(rows)
            if index in compared
            and row[column] != cells.NOTHING
            and not row[column].endswith("(T)")
        }
        if numbers:
            greatest = max(numbers.values())
            best |= {(index, column) for index, value in numbers.items() if value == greatest}
    return frozenset(best)
