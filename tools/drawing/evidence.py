"""The runs that pictures show: those of the proof, and until there are any, the former ones."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable

from kdcl_tf.reproduction.reporting.proof.subjects import subjects
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.reproduction.tables.table import Row

RESULTS = pathlib.Path(__file__).resolve().parents[2] / "results"
_FORMER = "former small scale: 60 epochs, bfloat16, former padding"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Runs of Table 7.

    Attributes:
      subject: the table, its columns and the records of its runs.
      scale: what the scale is called in a title.
    """

    subject: Subject
    scale: str

    @property
    def gaining(self) -> list[Row]:
        """The rows that have gains, in the order of the table."""
        table, records = self.subject.table, self.subject.records
        return [
            row for row in table.rows if row != table.row(table.baseline) and _gains(records, row)
        ]

    @property
    def title(self) -> str:
        """The scale and the seeds: `small scale, seeds 0, 1, 2`."""
        return self.title_of(self.gaining)

    def title_of(self, rows: Iterable[Row]) -> str:
        """The same, of the seeds that any of these rows has a gain of."""
        found = self.seeds(rows)
        several = "seeds" if len(found) > 1 else "seed"
        return f"{self.scale}, {several} {', '.join(map(str, found))}"

    def seeds(self, rows: Iterable[Row]) -> list[int]:
        """The seeds, sorted, that any of these rows has a gain of: its baseline is complete, too."""
        records = self.subject.records
        return sorted(set().union(*(_gains(records, row) for row in rows)))

    def best(self) -> Row:
        """The row with ICL to draw beside the baseline: MinLogit, or the first that there is."""
        rows = self.gaining
        named = [row for row in rows if row.name == "min_logit_icl"]
        return (named or [row for row in rows if row.invariant] or rows)[0]


def _gains(records, row):
    """The seeds of the gains of a row in any column that is its own."""
    return {
        seed
        for column in range(len(row.reports))
        if not records.is_teacher(row, column)
        for seed in records.gains(row, column)
    }


def evidence(results: pathlib.Path = RESULTS) -> Evidence:
    """The proof's runs of Table 7 at small scale, if any row of it has a gain; else the former."""
    found = Evidence(subjects(results / "proof")[0], "small scale")
    return found if found.gaining else _former(results)


def _former(results):
    table = TABLES["7"]
    small = scales.scale("small", table)
    records = Records(results / "table7_small", table, seeds=1)
    return Evidence(Subject(records, small.headings(table), small, ""), _FORMER)
