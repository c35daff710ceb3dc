"""What a report is about: runs, the students they show, the scale, in words that recur."""

import dataclasses

from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.tables.scales import Scale


@dataclasses.dataclass(frozen=True)
class Subject:
    """A table at a scale, and the runs of it that are there.

    Attributes:
      records: `Records`.
      columns: headings of the measured students.
      scale: `scales.Scale`.
      command: the line that made the runs.
    """

    records: Records
    columns: tuple
    scale: Scale
    command: str

    @property
    def table(self):
        """The `Table`."""
        return self.records.table

    @property
    def at_scale(self):
        """What every figure says."""
        return f"Scale: {self.scale.name}."

    @property
    def of_seeds(self):
        """What a number is, over its runs."""
        seeds = self.records.seeds
        return f"median of {seeds} seeds" if seeds > 1 else "one seed"

    def if_seeds(self, cell):
        """The cell alone, where there is more than one seed to tell of."""
        return [cell] if self.records.seeds > 1 else []

    @property
    def baselines(self):
        """Positions of the rows that gains are counted from."""
        names = [row.name for row in self.table.rows]
        return frozenset(names.index(self.table.baseline_of(row).name) for row in self.table.rows)
