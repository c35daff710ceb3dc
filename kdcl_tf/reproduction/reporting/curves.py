"""The line charts of a report: accuracy, loss gap and General's weights by epoch; the sweep."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting import charts, statistics
from kdcl_tf.reproduction.reporting.blocks import Figure, Heading
from kdcl_tf.reproduction.reporting.subject import Subject

_COLOURS = 8
_ACCURACY = "test accuracy (%)"


def pictures(
    subject: Subject,
) -> list[tuple[str, list[tuple[str, list[charts.Series]]], str]]:
    """The pictures of the Markdown report: `(file name, [(heading, series)], y label)` each."""
    return [
        (f"curves{subject.suffix}.png", _of_columns(subject, _accuracy_series), _ACCURACY),
        (f"gaps{subject.suffix}.png", _of_columns(subject, _gap_series), _gap_label(subject)),
    ]


def _gap_label(subject):
    return f"{subject.loss_of_baseline.removeprefix('the ')} minus the method's (nats)"


def learning_curves(subject: Subject) -> Iterator[Heading | Figure]:
    """Test accuracy by epoch."""
    yield Heading("Learning curves")
    yield from _charts(
        subject,
        _accuracy_series,
        _ACCURACY,
        "Test accuracy by epoch",
        f"curves{subject.suffix}.png",
    )


def loss_gaps(subject: Subject) -> Iterator[Heading | Figure]:
    """The baseline's test loss minus each method's, by epoch."""
    yield Heading(f"Loss gap to {subject.baseline}")
    yield from _charts(
        subject,
        _gap_series,
        _gap_label(subject),
        f"Test cross-entropy of {subject.baseline} minus that of each method, by epoch; above 0, "
        "the method has the lower loss",
        f"gaps{subject.suffix}.png",
    )


def weights(subject: Subject) -> Iterator[Heading | Figure]:
    """General's weights by epoch, a chart for each row that has them."""
    rows = [(row, subject.records.weights(row)) for row in subject.table.runs]
    rows = [(row, found) for row, found in rows if found]
    if rows:
        yield Heading("General's weights by epoch")
    for row, found in rows:
        series = [
            charts.Series(name, tuple(curve), 1 + number % _COLOURS, *charts.telling_apart(number))
            for number, (name, curve) in enumerate(found.items())
        ]
        name = row.label + (" with ICL" if row.invariant else "")
        chart = charts.line_chart(series, f"Weights of {name}", "epoch", "weight")
        yield Figure(
            chart,
            f"{name}. {subject.at_scale} Weights of the students in the soft target, fitted to the "
            f"held-out images after each epoch; {subject.of_seeds}.",
        )


def sweep(subject: Subject) -> Iterator[Heading | Figure]:
    """Accuracy against the setting whose values are the table's rows, if there is one."""
    of_table = subject.table.sweep
    if of_table is None:
        return
    series = [
        each
        for column in range(len(subject.columns))
        for each in _sweep_series(subject, of_table, column)
    ]
    yield Heading(f"Accuracy against the {of_table.label.partition(',')[0]}")
    chart = charts.line_chart(
        series, subject.table.title, of_table.label, _ACCURACY, of_table.logarithmic
    )
    yield Figure(chart, f"{subject.at_scale} Test accuracy after the last epoch.")


def _sweep_series(subject, of_table, column):
    """Our line of one student, and the paper's."""
    pairs = list(zip(of_table.values, subject.table.rows))
    ours = [
        (x, statistics.median(subject.records.accuracies(row, column).values())) for x, row in pairs
    ]
    paper = [(x, row.paper[column]) for x, row in pairs]
    names = f"{subject.columns[column]}, ours", f"{subject.table.columns[column]}, the paper's"
    colour = 1 + column
    return (
        charts.Series(names[0], _known(ours), colour, 2 * column, "o"),
        charts.Series(names[1], _known(paper), colour, 2 * column + 1, "s"),
    )


def _known(points):
    return tuple((x, y) for x, y in points if y is not None)


def _charts(subject, series, y_label, caption, picture):
    for column, heading in enumerate(subject.columns):
        chart = charts.line_chart(
            series(subject, column), f"{caption}, {heading}", "epoch", y_label
        )
        text = f"{heading}. {subject.at_scale} {caption}; {subject.of_seeds}."
        # One picture shows all columns, so only the first figure names it.
        yield Figure(chart, text, picture if column == 0 else None)


def _of_columns(subject, series):
    return [(heading, series(subject, column)) for column, heading in enumerate(subject.columns)]


def _accuracy_series(subject, column):
    key = "test_{}_" + subject.table.measure(column)
    return [
        _styled(
            subject.table,
            row,
            [(x, 100 * y) for x, y in subject.records.median_curve(row, column, key)],
        )
        for row in subject.table.rows
    ]


def _gap_series(subject, column):
    return [
        _styled(subject.table, row, subject.records.loss_gaps(row, column))
        for row in subject.table.rows
    ]


def _styled(table, row, points):
    """A line in the colour of its method, whose dashes and markers differ from all others."""
    baseline = table.row(table.baseline)
    rows = [each for each in table.rows if each != baseline]
    methods = list(dict.fromkeys(each.label for each in rows))
    both = [each.invariant for each in table.rows if each.label == row.label]
    is_baseline = row == baseline
    dash, marker = (0, "") if is_baseline else charts.telling_apart(rows.index(row))
    return charts.Series(
        label=row.label + (" + ICL" if row.invariant and len(both) > 1 else ""),
        points=tuple(points),
        colour=0 if is_baseline else 1 + methods.index(row.label) % _COLOURS,
        dash=dash,
        marker=marker,
        heavy=is_baseline,
    )
