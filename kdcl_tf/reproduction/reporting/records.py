"""What the runs of a table have written: results of complete ones, logs of all."""

import functools

from kdcl_tf.reproduction.reporting import statistics
from kdcl_tf.training.settings import as_text
from kdcl_tf.training.workdir import Workdir

_TOP_5 = "_top_5_accuracy"


class Records:
    """Reads `folder/<row>/seed<k>` of every row and seed.

    Args:
      folder: `pathlib.Path`.
      table: `table.Table`.
      seeds: how many.
    """

    def __init__(self, folder, table, seeds):
        self.folder, self.table, self.seeds = folder, table, seeds
        self._results, self._logs = {}, {}
        for row in table.runs:
            for seed in range(seeds):
                path = folder / row.name / f"seed{seed}"
                if path.is_dir():
                    workdir = Workdir(path)
                    self._results[row.name, seed] = workdir.result
                    self._logs[row.name, seed] = workdir.log

    @property
    def planned(self):
        """How many runs there are to be."""
        return len(self.table.runs) * self.seeds

    @functools.cached_property
    def results(self):
        """`{(row name, seed): result.json}` of the complete runs."""
        return {key: result for key, result in self._results.items() if result}

    def differences(self, flags):
        """Texts such as `--epochs=60 (now 100)`: what complete runs had otherwise.

        Args:
          flags: `{name: text}` of the flags that all runs should have had.
        """
        found = set()
        for result in self.results.values():
            # JSON has lists for tuples.
            settings = result.get("settings", {})
            had = {
                name: as_text(tuple(value) if isinstance(value, list) else value)
                for name, value in settings.items()
            }
            found |= {
                f"--{name}={had[name]} (now {text})"
                for name, text in flags.items()
                if had.get(name, text) != text
            }
        return sorted(found)

    def of_row(self, row):
        """`{seed: result.json}` of a row's complete runs."""
        return {seed: value for (name, seed), value in self.results.items() if name == row.name}

    def complete(self, row):
        """The seeds for which every run that a row reports is complete, rising."""
        sources = [self.source(row, column) for column in range(len(row.reports))]
        seeds = [set(self.of_row(source[0])) for source in sources if source]
        return sorted(set.intersection(*seeds))

    def source(self, row, column):
        """`(row, position)` of the student that fills a row's column, or None."""
        reported = row.reports[column]
        if isinstance(reported, tuple):
            return self.table.run(reported[0]), reported[1]
        return None if reported is None else (row, reported)

    def is_teacher(self, row, column):
        """Whether a row's column shows the student that taught the row."""
        return row.teacher is not None and row.reports[column] == row.teacher

    def values(self, row, column, key):
        """`{seed: number}` of `result.json`'s students, such as "accuracy", in 0..1."""
        source = self.source(row, column)
        if source is None:
            return {}
        row, position = source
        return {
            seed: list(result["students"].values())[position][key]
            for seed, result in self.of_row(row).items()
        }

    def accuracies(self, row, column):
        """`{seed: the column's measure, a test accuracy in %}` at the last epoch."""
        values = self.values(row, column, self.table.measure(column))
        return {seed: 100 * each for seed, each in values.items()}

    def gains(self, row, column):
        """`{seed: points}` over the baseline of the same seed."""
        baseline = self.accuracies(self.table.baseline_of(row), column)
        return statistics.paired(self.accuracies(row, column), baseline)

    def total_gains(self, row):
        """`{seed: points}`, summed over the columns; empty for a row that leaves one out."""
        columns = range(len(self.table.columns))
        if not self.table.adds_up or any(self.source(row, column) is None for column in columns):
            return {}
        return statistics.summed(self.gains(row, column) for column in columns)

    def curves(self, row, column, key):
        """`{seed: [(epoch, value)]}` of the log's `key`, where `{}` is the student's name.

        Not of a teacher, whose curve is its own row's.
        """
        if self.source(row, column) is None or self.is_teacher(row, column):
            return {}
        row, position = self.source(row, column)
        found = {}
        for seed in range(self.seeds):
            log = self._logs.get((row.name, seed)) or []
            if log:
                name = key.format(_students(log)[position])
                found[seed] = [(each["epoch"], each[name]) for each in log if name in each]
        return found

    def median_curve(self, row, column, key):
        """The median over seeds of `curves`, a list of `(epoch, value)`."""
        return statistics.median_curve(self.curves(row, column, key).values())

    def loss_gaps(self, row, column):
        """The baseline's test cross-entropy minus the row's, by epoch, median of paired seeds."""
        key = "test_{}_cross_entropy"
        baseline = self.curves(self.table.baseline_of(row), column, key)
        gaps = []
        for seed, curve in self.curves(row, column, key).items():
            loss = dict(baseline.get(seed, ()))
            gaps.append([(epoch, loss[epoch] - value) for epoch, value in curve if epoch in loss])
        return statistics.median_curve(gaps)

    def weights(self, row):
        """`{student: [(epoch, General's weight)]}`, median over seeds; empty without General."""
        curves = {}
        for seed in range(self.seeds):
            log = self._logs.get((row.name, seed)) or []
            for name in _students(log) if log else ():
                key = f"general_weight_{name}"
                curve = [(each["epoch"], each[key]) for each in log if key in each]
                if curve:
                    curves.setdefault(name, []).append(curve)
        return {name: statistics.median_curve(each) for name, each in curves.items()}


def _students(log):
    """Names of the students, in order, from the keys of a log's first line."""
    return [
        key.removesuffix(_TOP_5)
        for key in log[0]
        if key.endswith(_TOP_5) and not key.startswith("test_")
    ]
