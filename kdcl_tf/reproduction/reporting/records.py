"""What the runs of a table have written: the logs of all runs, the results of complete ones."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from kdcl_tf.reproduction import circumstances, same_images
from kdcl_tf.reproduction.plan import departures, plan
from kdcl_tf.reproduction.reporting import statistics
from kdcl_tf.reproduction.tables.scales import Scale
from kdcl_tf.reproduction.tables.table import Row, Table
from kdcl_tf.serving import exported
from kdcl_tf.training.run_files import read_log, read_result
from kdcl_tf.training.settings import as_text

_TOP_5 = "_top_5_accuracy"

# Of one run: epochs and values.
Curve = list[tuple[int, float]]


class Records:
    """The records of all runs of a table, read from `folder/<row>/seed<k>`.

    Args:
      folder: the folder of the runs.
      table: the table.
      seeds: the number of seeds.
      wanted: `{row name: number of seeds}` of rows that need fewer.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        table: Table,
        seeds: int,
        wanted: Mapping[str, int] | None = None,
    ):
        self.folder, self.table, self.seeds = folder, table, seeds
        self._wanted = wanted or {}
        self._results, self._logs, self._of_fewer = {}, {}, {}
        for row in table.runs:
            for seed in range(seeds):
                self._read(row.name, seed)

    def _read(self, name, seed):
        """Reads a run that there is; one of too few students for the table is only counted."""
        path = self.folder / name / f"seed{seed}"
        if not path.is_dir():
            return
        result = read_result(path)
        log = read_log(path, result)
        students = result.get("students", ()) if result else _students(log) if log else None
        if students is not None and len(students) < self.table.students_of(name):
            self._of_fewer[name, seed] = len(students)
        else:
            self._results[name, seed], self._logs[name, seed] = result, log

    @property
    def planned(self) -> int:
        """The number of runs that the table needs."""
        return len(self.needed)

    @property
    def needed(self) -> list[tuple[str, int]]:
        """`(row name, seed)` of the runs that the table needs."""
        return [(row.name, seed) for row in self.table.runs for seed in range(self._needed(row))]

    @property
    def missing(self) -> str:
        """The runs that are needed and not complete: `DML (seed 2), ONE (seeds 0, 1)`; or ""."""
        return self._named([key for key in self.needed if key not in self.results])

    def _needed(self, row):
        return self._wanted.get(row.name, self.seeds)

    @functools.cached_property
    def results(self) -> dict[tuple[str, int], dict[str, Any]]:
        """`{(row name, seed): result.json}` of the complete runs."""
        return {key: result for key, result in self._results.items() if result}

    def differences(self, scale: Scale) -> list[str]:
        """Flags that complete runs had with other values: `--epochs=60 (now 100) of all runs`.

        Args:
          scale: that the runs should have had.
        """
        had_by = {}
        for run in plan(self.table, scale, self.seeds, self.folder):
            settings = self.results.get((run.row, run.seed), {}).get("settings", {})
            had = {name: as_text(value) for name, value in settings.items()}
            for flag, (text, was) in departures(run, had).items():
                had_by.setdefault(f"--{flag}={was} (now {text})", []).append((run.row, run.seed))
        told = [
            f"{flag} of {'all runs' if len(keys) == len(self.results) else self._named(keys)}"
            for flag, keys in sorted(had_by.items())
        ]
        for key, count in self._of_fewer.items():
            students = f"{count} student{'s' * (count != 1)} (now {self.table.students_of(key[0])})"
            told.append(f"{students} of {self._named([key])}, which is left out")
        return told

    def other_teachers(self, scale: Scale) -> str:
        """Runs whose teacher is not the one that is in the folder of its row now; or "".

        Of teachers that are not exported there, nothing is known.

        Args:
          scale: as in `differences`.
        """
        found = []
        for run in plan(self.table, scale, self.seeds, self.folder):
            data = self.results.get((run.row, run.seed), {}).get("identity", {}).get("data", {})
            path = pathlib.Path(run.settings.teacher)
            if run.teacher and "teacher" in data and path.is_dir():
                found += [(run.row, run.seed)] * (
                    exported.digest(path, data["teacher"]) != data["teacher"]
                )
        return self._named(found)

    def _named(self, keys):
        """Runs by their rows and seeds: `DML (seed 2), ONE (seeds 0, 1)`."""
        found = []
        for row in self.table.runs:
            seeds = [seed for name, seed in keys if name == row.name]
            if seeds:
                several = "seeds" if len(seeds) > 1 else "seed"
                found.append(f"{row.full_label} ({several} {', '.join(map(str, seeds))})")
        return ", ".join(found)

    def unlike_baselines(self, told: Callable[[Mapping[str, Any]], Any]) -> str:
        """Runs that differ in something from the runs that their gains are over; or "".

        Args:
          told: a function of `result.json`.
        """
        return self._beside_baselines(lambda result, other: told(result) != told(other))

    def without_processor(self) -> str:
        """Runs of which, as of the runs that their gains are over, no processor is known; or ""."""

        def are_unknown(*results):
            return all(map(circumstances.has_no_processor, results))

        return self._beside_baselines(are_unknown)

    def unlike_seeds(self, told: Callable[[Mapping[str, Any]], Any]) -> str:
        """Rows whose seeds differ in something among each other; or "".

        Args:
          told: a function of `result.json`.
        """
        found = []
        for row in self.table.runs:
            values = [told(result) for result in self.of_row(row).values()]
            if any(value != values[0] for value in values):
                found.append(row.full_label)
        return ", ".join(found)

    def _beside_baselines(self, holds):
        """The runs for which something holds of them and of the run that their gains are over."""
        found: set[tuple[str, int]] = set()
        for row in self.table.rows:
            for column in range(len(row.reports)):
                ours = self.source(row, column)
                others = self.source(self.table.baseline_of(row), column)
                if ours and others and ours[0] is not others[0]:
                    results = self.of_row(others[0])
                    found |= {
                        (ours[0].name, seed)
                        for seed, result in self.of_row(ours[0]).items()
                        if seed in results and holds(result, results[seed])
                    }
        return self._named(sorted(found))

    @property
    def versions(self) -> list[str]:
        """The versions that runs were made with, in words; where they differ, each with its runs."""
        runs: dict[str, list[tuple[str, int]]] = {}
        for key, result in self.results.items():
            told = circumstances.by_process(result, _versions_told)
            runs.setdefault(", then ".join(told), []).append(key)
        if len(runs) < 2:
            return list(runs)
        return [f"{told} of {self._named(keys)}" for told, keys in runs.items()]

    @property
    def other_images(self) -> str:
        """Which runs had other images than the first that can be compared, and which; or ""."""
        found: list[str] = []
        firsts: dict[Any, dict[str, Any]] = {}
        for (name, seed), result in self.results.items():
            # Training images are compared with those of the first run that has as many, and of the
            # first whose settings choose as this one's.
            keys = (None, same_images.counts(result), ("choice", same_images.choice(result)))
            before = [firsts.setdefault(key, result) for key in keys]
            if changes := next(
                filter(None, (same_images.changes(result, each) for each in before)), ""
            ):
                found.append(f"{self.table.run(name).full_label}, seed {seed} ({changes})")
        return "; ".join(found)

    def of_row(self, row: Row) -> dict[int, dict[str, Any]]:
        """`{seed: result.json}` of the complete runs of a row."""
        return {seed: value for (name, seed), value in self.results.items() if name == row.name}

    def results_with(self, row: Row, key: str) -> dict[int, dict[str, Any]]:
        """`of_row`, of the runs whose result has a key: older ones may lack it."""
        return {seed: result for seed, result in self.of_row(row).items() if key in result}

    def complete(self, row: Row) -> list[int]:
        """The seeds, sorted, for which every run that a row reports is complete."""
        sources = [self.source(row, column) for column in range(len(row.reports))]
        seeds = [set(self.of_row(source[0])) for source in sources if source]
        return sorted(set.intersection(*seeds))

    def source(self, row: Row, column: int) -> tuple[Row, int] | None:
        """The student that a column of a row shows: `(row of its run, position)`, or None."""
        reported = row.reports[column]
        if isinstance(reported, tuple):
            return self.table.run(reported[0]), reported[1]
        return None if reported is None else (row, reported)

    def is_teacher(self, row: Row, column: int) -> bool:
        """Whether a column of a row shows the teacher of the row."""
        return row.teacher is not None and row.reports[column] == row.teacher

    def values(self, row: Row, column: int, key: str) -> dict[int, float]:
        """`{seed: value}` of a key of the student in `result.json`, such as "accuracy", 0..1.

        A teacher's are those of the seeds for which the row's own run is complete, too.
        """
        source = self.source(row, column)
        if source is None:
            return {}
        seeds = self.complete(row) if self.is_teacher(row, column) else None
        row, position = source
        return {
            seed: list(result["students"].values())[position][key]
            for seed, result in self.of_row(row).items()
            if seeds is None or seed in seeds
        }

    def accuracies(self, row: Row, column: int) -> dict[int, float]:
        """`{seed: test accuracy in %}` after the last epoch: top-1, or the column's measure."""
        values = self.values(row, column, self.table.measure(column))
        # What was counted in float32, without its rounding, which would decide ties.
        return {seed: round(100 * each, 4) for seed, each in values.items()}

    def speeds(self, row: Row) -> dict[int, float]:
        """`{seed: images per second}` of the complete runs: the median over the epochs.

        So an epoch in which the machine had much other work does not count.
        """

        def of_run(seed, result):
            logged = [each["images_per_second"] for each in self._logs[row.name, seed]]
            return float(median(logged or [result["images_per_second"]]))

        return {seed: of_run(seed, result) for seed, result in self.of_row(row).items()}

    def gains(self, row: Row, column: int) -> dict[int, float]:
        """`{seed: percentage points}` over the baseline of the same seed."""
        baseline = self.accuracies(self.table.baseline_of(row), column)
        return statistics.paired(self.accuracies(row, column), baseline)

    def total_gains(self, row: Row) -> dict[int, float]:
        """`{seed: gain summed over the columns}`; empty for a row that leaves a column out."""
        columns = range(len(self.table.columns))
        if not self.table.adds_up or any(self.source(row, column) is None for column in columns):
            return {}
        return statistics.summed(self.gains(row, column) for column in columns)

    def curves(self, row: Row, column: int, key: str) -> dict[int, Curve]:
        """`{seed: curve}` of a key of the log, in which `{}` stands for the student's name.

        Empty for a teacher, whose curve belongs to the row of its own run.
        """
        source = self.source(row, column)
        if source is None or self.is_teacher(row, column):
            return {}
        row, position = source
        found = {}
        for seed in range(self.seeds):
            log = self._logs.get((row.name, seed)) or []
            if log:
                name = key.format(_students(log)[position])
                found[seed] = [(each["epoch"], each[name]) for each in log if name in each]
        return found

    def median_curve(self, row: Row, column: int, key: str) -> Curve:
        """The median over seeds of `curves`."""
        return statistics.median_curve(self.curves(row, column, key).values())

    def loss_gaps(self, row: Row, column: int) -> Curve:
        """The baseline's test cross-entropy minus the row's for the same seed; the median."""
        key = "test_{}_cross_entropy"
        baseline = self.curves(self.table.baseline_of(row), column, key)
        gaps = []
        for seed, curve in self.curves(row, column, key).items():
            loss = dict(baseline.get(seed, ()))
            gaps.append([(epoch, loss[epoch] - value) for epoch, value in curve if epoch in loss])
        return statistics.median_curve(gaps)

    def weights(self, row: Row) -> dict[str, Curve]:
        """`{student: curve of its weight in General}`, median over seeds; empty without General."""
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
    """The names of the students, in order, from the keys in the first line of a log."""
    return [
        key.removesuffix(_TOP_5)
        for key in log[0]
        if key.endswith(_TOP_5) and not key.startswith("test_")
    ]


def _versions_told(process):
    return ", ".join(f"{name} {version}" for name, version in process.get("versions", {}).items())
