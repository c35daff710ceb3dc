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
    ours = [index for index, head in enumerate(heads) if head.startswith("Our")]
    of_sums = "; the last two gains are sums over all students" if sums else ""
    yield Heading("Accuracy, the paper's and ours")
    yield Grid(
        heads=tuple(heads),
        rows=tuple(rows),
        best=_best(rows, ours),
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
    gains = [_paper_gain_of(table, row, column) for column in range(len(row.paper))]
    return None if None in gains else sum(gains)


def _paper_gain_of(table, row, column):
    """The paper's gain in one column, over the table's baseline where it prints no other."""
    ours = table.baseline_of(row).paper[column]
    baseline = table.row(table.baseline).paper[column] if ours is None else ours
    if row.paper[column] is None or baseline is None:
        return None
    return row.paper[column] - baseline


def gains(subject: Subject) -> Iterator[Heading | Grid]:
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
        caption=f"{subject.at_scale} Percentage points over the baseline of the same seed. The "
        "interval is that of the mean, by Student's t on the paired differences: it needs three "
        "seeds, and of three it is wide, as 4.3 standard errors lie on each side of the mean. "
        "Where it includes 0, the seeds do not tell a gain from none.",
    )


def _gain_row(subject, row):
    records, table = subject.records, subject.table
    cells = [row.label, _tick(row)]
    for column in range(len(subject.columns)):
        found = {} if records.is_teacher(row, column) else records.gains(row, column)
        by_seed = ", ".join(_signed(gain) for gain in found.values())
        paper = None if records.is_teacher(row, column) else _paper_gain_of(table, row, column)
        cells += [_signed(paper, 1), *_mean_and_interval(found), by_seed or _NOTHING]
    if table.adds_up:
        total = records.total_gains(row)
        cells += [_signed(_paper_gain(table, row), 1), *_mean_and_interval(total)]
    return (*cells, str(len(records.complete(row))))


def _mean_and_interval(found):
    ends = statistics.interval(found.values())
    text = _NOTHING if ends is None else f"{_signed(ends[0])} to {_signed(ends[1])}"
    return _signed(statistics.mean(found.values())), text


def ensembles(subject: Subject) -> Iterator[Heading | Grid]:
    """The accuracy of the average of the students, beside that of the best of them."""
    rows = [
        row for row in subject.table.runs if subject.records.results_with(row, "ensemble_accuracy")
    ]
    if not rows:
        return
    yield Heading("Accuracy of the ensemble")
    yield Grid(
        heads=("Method", "Best student", "Ensemble", "Difference"),
        rows=tuple(_ensemble_row(subject, row) for row in rows),
        caption=f"{subject.at_scale} In %, {subject.of_seeds}. The ensemble predicts by the average "
        "of its students' probabilities, with General's weights where there are any.",
    )


def _ensemble_row(subject, row):
    results = subject.records.results_with(row, "ensemble_accuracy").values()
    best = [max(each["accuracy"] for each in result["students"].values()) for result in results]
    ensemble = [result["ensemble_accuracy"] for result in results]
    differences = [100 * (one - other) for one, other in zip(ensemble, best)]
    return (
        row.full_label,
        _percent(statistics.median(best)),
        _percent(statistics.median(ensemble)),
        _signed(statistics.median(differences)),
    )


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
    """The parameters, the training time and the memory of every run."""
    records = subject.records
    total = sum(result["seconds"] for result in records.results.values())
    yield Heading("Cost")
    yield Grid(
        heads=(
            "Method",
            "Million parameters",
            "Images per second",
            "Epochs",
            "Minutes per run",
            "Peak memory (GiB)",
        ),
        rows=tuple(_cost_row(records, row) for row in subject.table.runs),
        caption=f"{subject.at_scale} Parameters: all that are trained. Speed: training without "
        f"evaluation, in the median epoch, {subject.of_seeds}; minutes: of a run at this speed. All "
        f"runs together took {total / 3600:.1f} hours, with what the machine did beside them, so "
        "the speeds of the methods compare only roughly. Peak memory: of the whole process.",
    )


def _cost_row(records, row):
    results = records.of_row(row)
    parameters = {result.get("parameters") for result in results.values()} - {None}
    memory = [each["peak_memory_gib"] for each in records.results_with(row, "peak_memory_gib").values()]
    minutes = [
        results[seed]["data"]["num_train"] * results[seed]["epochs"] / speed / 60
        for seed, speed in records.speeds(row).items()
    ]
    return (
        row.full_label,
        _number(max(parameters) / 1e6 if parameters else None, 2),
        _number(statistics.median(records.speeds(row).values()), 0),
        str(max((result["epochs"] for result in results.values()), default=_NOTHING)),
        _number(statistics.median(minutes), 1),
        _number(max(memory, default=None), 2),
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
