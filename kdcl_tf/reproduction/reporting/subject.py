"""What a report is about: a table, its runs and its scale, and the phrases that recur."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.tables.scales import Scale
from kdcl_tf.reproduction.tables.table import Table


@dataclasses.dataclass(frozen=True)
class Subject:
    """A table at a scale, and the runs that there are.

    Attributes:
      records: the records of the runs.
      columns: the headings of the measured columns.
      scale: the scale of the runs.
      command: the command line that makes the runs.
    """

    records: Records
    columns: Sequence[str]
    scale: Scale
    command: str

    @property
    def table(self) -> Table:
        """The table that is reproduced."""
        return self.records.table

    @property
    def suffix(self) -> str:
        """What tells the files of this report from others in the same folder."""
        return f"_{self.table.number}" if self.table.home else ""

    @property
    def at_scale(self) -> str:
        """The sentence in every caption that names the scale."""
        return f"Scale: {self.scale.name}."

    @property
    def of_seeds(self) -> str:
        """What a number is taken over: `median of 3 seeds`, or `one seed`.

        Where some runs are not complete, `median of up to 2 seeds`.
        """
        counts = {len(self.records.complete(row)) for row in self.table.rows} - {0}
        seeds = max(counts, default=self.records.seeds)
        if seeds == 1:
            return "one seed"
        return f"median of {'up to ' * bool(counts - {seeds})}{seeds} seeds"

    def if_seeds(self, cell: str) -> list[str]:
        """`[cell]` if there is more than one seed, else `[]`."""
        return [cell] if self.records.seeds > 1 else []

    @property
    def baseline(self) -> str:
        """What gains are over, in a caption: `the baseline`, or `the cohort with λ = 1`."""
        if not self.table.over_a_cohort:
            return "the baseline"
        return f"the cohort with {self.table.row(self.table.baseline).label}"

    @property
    def loss_of_baseline(self) -> str:
        """`the baseline's loss`, or `the loss of the cohort with λ = 1`."""
        is_named = self.table.over_a_cohort
        return f"the loss of {self.baseline}" if is_named else "the baseline's loss"

    @property
    def baselines(self) -> frozenset[int]:
        """The positions of the rows that gains are over."""
        names = [row.name for row in self.table.rows]
        return frozenset(names.index(self.table.baseline_of(row).name) for row in self.table.rows)
