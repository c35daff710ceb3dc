"""The tables of a report: accuracy beside the paper's, over-fitting, cost."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting import statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Heading
from kdcl_tf.reproduction.reporting.subject import Subject

_NOTHING = "\N{EN DASH}"


def accuracies(subject: Subject) -> Iterator[Heading | Grid]:
    """The paper's table, with our numbers beside the paper's."""
    heads = ["Method", "ICL"]
    for paper, ours in zip(subject.table.columns, subject.columns):
        heads += [f"Paper {paper}", f"Ours {ours}", *subject.if_seeds("Spread"), "Gain"]
    sums = ["Paper gain", "Our gain"] if subject.table.adds_up else []
    heads += [*sums, *subject.if_seeds("Seeds")]
    rows = [_accuracy_row(subject, row) for row in subject.table.rows]
    own = [index for index, head in enumerate(heads) if head.startswith("Our")]
    of_sums = "; the last two gains are sums over all students" if sums else ""
    yield Heading("Accuracy, the paper's and ours")
    yield Grid(
        heads=tuple(heads),
        rows=tuple(rows),
        best=_best(rows, own),
        quiet=subject.baselines,
        caption=f"{subject.at_scale} Test accuracy in % after the last epoch, {subject.of_seeds}"
        + "".join(subject.if_seeds("; spread: least and greatest"))
        + f". Gain: percentage points over the baseline (shaded) of the same seed{of_sums}. ICL: "
        "invariant collaborative learning. (T): the teacher, from its own row. Bold: the greatest "
        "of a column.",
    )


def _accuracy_row(subject, row):
    records = subject.records
    cells = [row.label, _tick(row)]
    for column in range(len(subject.columns)):
        values = records.accuracies(row, column)
        taught = " (T)" if records.is_teacher(row, column) and values else ""
        cells += [
            _printed(row.paper[column]),
            _number(statistics.median(values.values()), 2) + taught,
            *subject.if_seeds(_range(statistics.spread(values.values()))),
            _signed(statistics.median(records.gains(row, column).values())),
        ]
    if subject.table.adds_up:
        cells.append(_signed(_paper_gain(subject.table, row), 1))
        cells.append(_signed(statistics.median(records.total_gains(row).values())))
    return (*cells, *subject.if_seeds(str(len(records.complete(row)))))


def _paper_gain(table, row):
    baseline = table.baseline_of(row).paper
    if None in row.paper or None in baseline:
        return None
    return sum(row.paper) - sum(baseline)


def over_fitting(subject: Subject) -> Iterator[Heading | Grid]:
    """Training accuracy beside test accuracy, for every row."""
    heads = ["Method", "ICL"]
    for column in _accuracy_columns(subject.table):
        heads += [f"{subject.columns[column]} training", "test", "gap"]
    yield Heading("Training against test accuracy")
    yield Grid(
        heads=tuple(heads),
        rows=tuple(_over_fitting_row(subject, row) for row in subject.table.rows),
        quiet=subject.baselines,
        caption=f"{subject.at_scale} In %. Training accuracy is measured during the last epoch, on "
        "distorted images and while the weights change; a smaller gap means less over-fitting.",
    )


def _over_fitting_row(subject, row):
    cells = [row.label, _tick(row)]
    for column in _accuracy_columns(subject.table):
        training, test = (
            statistics.median(subject.records.values(row, column, key).values())
            for key in ("train_accuracy", "accuracy")
        )
        gap = None if training is None else 100 * (training - test)
        cells += [_percent(training), _percent(test), _signed(gap)]
    return tuple(cells)


def _accuracy_columns(table):
    return [column for column in range(len(table.columns)) if table.measure(column) == "accuracy"]


def cost(subject: Subject) -> Iterator[Heading | Grid]:
    """The parameters and the training time of every run."""
    runs = [(row, subject.records.of_row(row).values()) for row in subject.table.runs]
    total = sum(result["seconds"] for _, results in runs for result in results)
    yield Heading("Cost")
    yield Grid(
        heads=("Method", "Million parameters", "Minutes per run", "Images per second", "Epochs"),
        rows=tuple(_cost_row(row, results) for row, results in runs),
        caption=f"{subject.at_scale} Parameters: all that are trained. Times: training without "
        f"evaluation, {subject.of_seeds}; {total / 3600:.1f} hours in all. The machine may have "
        "had other work, so the speeds of the methods compare only roughly.",
    )


def _cost_row(row, results):
    parameters = {result.get("parameters") for result in results} - {None}
    return (
        row.label + (" + ICL" if row.invariant else ""),
        _number(max(parameters) / 1e6 if parameters else None, 2),
        _number(statistics.median(result["seconds"] / 60 for result in results), 1),
        _number(statistics.median(result["images_per_second"] for result in results), 0),
        str(max((result["epochs"] for result in results), default=_NOTHING)),
    )


def _best(rows, columns):
    """`{(row, column)}` of the cells with the greatest number of their column."""
    best = set()
    for column in columns:
        numbers = {
            index: float(row[column].replace("\N{MINUS SIGN}", "-"))
            for index, row in enumerate(rows)
            if row[column] != _NOTHING and not row[column].endswith("(T)")
        }
        if numbers:
            greatest = max(numbers.values())
            best |= {(index, column) for index, value in numbers.items() if value == greatest}
    return frozenset(best)


def _tick(row):
    return "\N{CHECK MARK}" if row.invariant else ""


def _printed(value):
    """A number with one digit after the point, or with two where the paper prints two."""
    return _number(value, 1 if value is None or round(value, 1) == value else 2)


def _percent(value):
    return _number(None if value is None else 100 * value, 2)


def _number(value, digits):
    return _NOTHING if value is None else f"{value:.{digits}f}"


def _signed(value, digits=2):
    if value is None:
        return _NOTHING
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _range(ends):
    return _NOTHING if ends is None else f"{ends[0]:.2f}\N{EN DASH}{ends[1]:.2f}"
