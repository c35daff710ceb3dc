"""The report of a table: the paper's numbers beside ours, curves, weights and cost."""

import pathlib

from kdcl_tf.reproduction import charts, pictures, statistics
from kdcl_tf.reproduction.blocks import Figure, Grid, Heading, Paragraph
from kdcl_tf.reproduction.page import page
from kdcl_tf.reproduction.records import Records
from kdcl_tf.training.workdir import write_atomically

_NOTHING = "\N{EN DASH}"
_COLOURS = 8


def write(folder, table, columns, scale, command, seeds):
    """Writes `report.html`, `report.md` and the pictures of the latter.

    Args:
      folder: of the runs, `folder/<row>/seed<k>`; complete or not.
      table: `tables.Table`.
      columns: headings of the measured students.
      scale: `scales.Scale`.
      command: the line that made the runs.
      seeds: how many there are to be.
    """
    folder = pathlib.Path(folder)
    report = Report(Records(folder, table, seeds), columns, scale, command)
    for name, groups, y_label in report.pictures():
        pictures.write(folder / name, groups, "epoch", y_label, scale.name)
    blocks = report.blocks()
    write_atomically(folder / "report.html", page(report.title, blocks))
    pieces = [f"# {report.title}", *[block.markdown() for block in blocks]]
    write_atomically(folder / "report.md", "\n\n".join(filter(None, pieces)) + "\n")


class Report:
    """What a report says, in `blocks`.

    Args:
      records: `Records`.
      columns, scale, command: as `write`.
    """

    def __init__(self, records, columns, scale, command):
        self._records, self._columns = records, columns
        self._scale, self._command = scale, command
        self._table = records.table
        self._at_scale = f"Scale: {scale.name}."
        self._of_seeds = "one seed"
        if records.seeds > 1:
            self._of_seeds = f"median of {records.seeds} seeds"

    @property
    def title(self):
        """Which table, at which scale."""
        return f"Table {self._table.number.partition('_')[0]} at {self._scale.name} scale"

    def blocks(self):
        """The whole report."""
        return [
            *self._head(),
            *self._accuracies(),
            *self._sweep(),
            *self._over_fitting(),
            *self._curves(),
            *self._gaps(),
            *self._weights(),
            *self._cost(),
        ]

    def pictures(self):
        """`(file name, [(heading, series)], y label)` of what Markdown shows as PNG."""
        return [
            ("curves.png", self._of_columns(self._accuracy_series), "test accuracy (%)"),
            ("gaps.png", self._of_columns(self._gap_series), "baseline's loss minus this (nats)"),
        ]

    def _head(self):
        complete = len(self._records.results)
        planned = self._records.planned
        rows = sum(bool(self._records.of_row(row)) for row in self._table.rows)
        seeds = self._records.seeds
        yield Paragraph(self._table.title + ".")
        yield Paragraph(f"Scale \u201c{self._scale.name}\u201d: {self._scale.description}.")
        yield Paragraph(
            f"{rows} of {len(self._table.rows)} rows, {complete} of {planned} runs complete, "
            f"{seeds} seed{'s' if seeds > 1 else ''} each."
        )
        if self._scale.name != "full":
            yield Paragraph(
                "These numbers are not to be held against the paper's, which are of the full "
                "recipe; what can be compared is the sign and the order of the gains."
            )
        yield Paragraph(self._command, code=True)

    def _accuracies(self):
        heads = ["Method", "ICL"]
        for paper, ours in zip(self._table.columns, self._columns):
            heads += [f"Paper {paper}", f"Ours {ours}", *self._if_seeds("Spread"), "Gain"]
        heads += ["Paper gain", "Our gain", *self._if_seeds("Seeds")]
        rows = [self._accuracy_row(row) for row in self._table.rows]
        ours = [index for index, head in enumerate(heads) if head.startswith("Our")]
        yield Heading("Accuracy, the paper's and ours")
        yield Grid(
            heads=tuple(heads),
            rows=tuple(rows),
            best=_best(rows, ours),
            quiet=self._baseline_index(),
            caption=f"{self._at_scale} Test accuracy in % after the last epoch, {self._of_seeds}"
            + "".join(self._if_seeds("; spread: least and greatest"))
            + ". Gain: points over the baseline (shaded) of the same seed; the last two gains are sums "
            "over all students. (T) is the teacher, from its own row. Bold: the greatest of a "
            "column.",
        )

    def _accuracy_row(self, row):
        cells = [row.label, "\N{CHECK MARK}" if row.invariant else ""]
        for column in range(len(self._columns)):
            values = self._records.accuracies(row, column)
            taught = " (T)" if row.reports[column] is None and values else ""
            cells += [
                _number(row.paper[column], 1),
                _number(statistics.median(values.values()), 2) + taught,
                *self._if_seeds(_range(statistics.spread(values.values()))),
                _signed(statistics.median(self._records.gains(row, column).values())),
            ]
        cells.append(_signed(self._paper_gain(row), 1))
        cells.append(_signed(statistics.median(self._records.total_gains(row).values())))
        return (*cells, *self._if_seeds(str(len(self._records.of_row(row)))))

    def _if_seeds(self, cell):
        """The cell alone, where there is more than one seed to tell of."""
        return [cell] if self._records.seeds > 1 else []

    def _paper_gain(self, row):
        baseline = self._table.row(self._table.baseline).paper
        if None in row.paper or None in baseline:
            return None
        return sum(row.paper) - sum(baseline)

    def _sweep(self):
        sweep = self._table.sweep
        if sweep is None:
            return
        series = []
        for column, heading in enumerate(self._columns):
            pairs = list(zip(sweep.values, self._table.rows))
            ours = [
                (x, statistics.median(self._records.accuracies(row, column).values()))
                for x, row in pairs
            ]
            paper = [(x, row.paper[column]) for x, row in pairs]
            colour = 1 + column
            series += [
                charts.Series(f"{heading}, ours", _known(ours), colour, marked=True),
                charts.Series(
                    f"{self._table.columns[column]}, the paper's",
                    _known(paper), colour, dashed=True, marked=True,
                ),
            ]  # fmt: skip
        yield Heading(f"Accuracy against the {sweep.label.partition(',')[0]}")
        chart = charts.line_chart(
            series, self._table.title, sweep.label, "test accuracy (%)", sweep.logarithmic
        )
        yield Figure(chart, f"{self._at_scale} Test accuracy after the last epoch.")

    def _over_fitting(self):
        heads = ["Method", "ICL"]
        for heading in self._columns:
            heads += [f"{heading} training", "test", "gap"]
        rows = []
        for row in self._table.rows:
            cells = [row.label, "\N{CHECK MARK}" if row.invariant else ""]
            for column in range(len(self._columns)):
                training, test = (
                    100 * value if value is not None else None
                    for value in (
                        statistics.median(self._records.values(row, column, key).values())
                        for key in ("train_accuracy", "accuracy")
                    )
                )
                gap = None if training is None else training - test
                cells += [_number(training, 2), _number(test, 2), _signed(gap)]
            rows.append(tuple(cells))
        yield Heading("Training against test accuracy")
        yield Grid(
            heads=tuple(heads),
            rows=tuple(rows),
            quiet=self._baseline_index(),
            caption=f"{self._at_scale} In %. Training accuracy is that of the last epoch, on "
            "distorted images and while the weights moved; the less of a gap, the less over-fitting.",
        )

    def _curves(self):
        yield Heading("Learning curves")
        yield from self._charts(
            self._accuracy_series, "test accuracy (%)", "Test accuracy by epoch", "curves.png"
        )

    def _gaps(self):
        yield Heading("Loss gap to the baseline")
        yield from self._charts(
            self._gap_series,
            "baseline's loss minus this (nats)",
            "Test cross-entropy of the baseline minus that of each method, by epoch (the paper's "
            "Fig. 4); above 0 the method has the lower loss",
            "gaps.png",
        )

    def _charts(self, series, y_label, caption, picture):
        for column, heading in enumerate(self._columns):
            chart = charts.line_chart(series(column), f"{caption}, {heading}", "epoch", y_label)
            text = f"{heading}. {self._at_scale} {caption}; {self._of_seeds}."
            # One picture shows all columns.
            yield Figure(chart, text, picture if column == 0 else None)

    def _of_columns(self, series):
        return [(heading, series(column)) for column, heading in enumerate(self._columns)]

    def _accuracy_series(self, column):
        key = "test_{}_accuracy"
        return [
            self._styled(
                row, [(x, 100 * y) for x, y in self._records.median_curve(row, column, key)]
            )
            for row in self._table.rows
        ]

    def _gap_series(self, column):
        return [self._styled(row, self._records.loss_gaps(row, column)) for row in self._table.rows]

    def _styled(self, row, points):
        """A line in the colour of its method; dashed without ICL where there is one with it."""
        labels = list(dict.fromkeys(each.label for each in self._table.rows))
        is_baseline = row.name == self._table.baseline
        both = [each.invariant for each in self._table.rows if each.label == row.label]
        others = [label for label in labels if label != self._table.row(self._table.baseline).label]
        return charts.Series(
            label=row.label + (" + ICL" if row.invariant and len(both) > 1 else ""),
            points=tuple(points),
            colour=0 if is_baseline else 1 + others.index(row.label) % _COLOURS,
            dashed=len(both) > 1 and not row.invariant,
            heavy=is_baseline,
        )

    def _weights(self):
        rows = [(row, self._records.weights(row)) for row in self._table.rows]
        rows = [(row, weights) for row, weights in rows if weights]
        if rows:
            yield Heading("General's weights by epoch")
        for row, weights in rows:
            series = [
                charts.Series(name, tuple(curve), colour)
                for colour, (name, curve) in enumerate(weights.items(), start=1)
            ]
            name = row.label + (" with ICL" if row.invariant else "")
            chart = charts.line_chart(series, f"Weights of {name}", "epoch", "weight")
            yield Figure(
                chart,
                f"{name}. {self._at_scale} Weights of the students in the soft target, renewed "
                f"each epoch on held-out images; {self._of_seeds}.",
            )

    def _cost(self):
        rows, total = [], 0.0
        for row in self._table.rows:
            results = self._records.of_row(row).values()
            seconds = [result["seconds"] for result in results]
            total += sum(seconds)
            speeds = [result["images_per_second"] for result in results]
            minutes = statistics.median(seconds)
            rows.append(
                (
                    row.label + (" + ICL" if row.invariant else ""),
                    _number(minutes and minutes / 60, 1),
                    _number(statistics.median(speeds), 0),
                    str(max((result["epochs"] for result in results), default=_NOTHING)),
                )
            )
        yield Heading("Cost")
        yield Grid(
            heads=("Method", "Minutes a run", "Images a second", "Epochs"),
            rows=tuple(rows),
            caption=f"{self._at_scale} Training without evaluation, {self._of_seeds}; "
            f"{total / 3600:.1f} hours in all. Speeds of one machine, not of one quiet moment: "
            "they compare methods only roughly.",
        )
        yield from self._circumstances()

    def _circumstances(self):
        result = next(iter(self._records.results.values()), None)
        if result is None:
            return
        data = result["data"]
        yield Paragraph(
            f"Data: {data['name']}, {data['num_train']:,} training images, "
            f"{data['num_held_out']:,} held out, {data['num_test']:,} test images (of the first "
            "row). Versions: "
            + ", ".join(f"{name} {version}" for name, version in result["versions"].items())
            + "."
        )

    def _baseline_index(self):
        names = [row.name for row in self._table.rows]
        return frozenset([names.index(self._table.baseline)])


def _known(points):
    return tuple((x, y) for x, y in points if y is not None)


def _best(rows, columns):
    """`{(row, column)}` of the greatest number of each column."""
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


def _number(value, digits):
    return _NOTHING if value is None else f"{value:.{digits}f}"


def _signed(value, digits=2):
    if value is None:
        return _NOTHING
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _range(ends):
    return _NOTHING if ends is None else f"{ends[0]:.2f}\N{EN DASH}{ends[1]:.2f}"
