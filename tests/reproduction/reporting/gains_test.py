"""Tests of kdcl_tf.reproduction.reporting.gains: numbers by hand."""

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import gains, grids
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.reporting.report_case import ReportTestCase
from tests.reproduction.written_runs import write_run


class GainsTest(ReportTestCase):
    def test_gains_paired_by_seed_with_students_interval(self):
        alone = ((0.30, 0.40), (0.32, 0.42), (0.31, 0.44))
        together = ((0.33, 0.41), (0.36, 0.41), (0.31, 0.47))
        for row, accuracies in (("vanilla", alone), ("general", together)):
            for seed, (first, second) in enumerate(accuracies):
                write_run(self.folder, row, seed, {"a": first, "b": second})
        write_run(self.folder, "dml", 0, {"a": 0.36, "b": 0.40})
        grid = self._grid(gains.paired, "7", seeds=3)
        # The deviation of 3, 4, 0 is 2.0817; 4.3027 * 2.0817 / sqrt(3) = 5.1712.
        # The deviation of 1, -1, 3 is 2; 4.3027 * 2 / sqrt(3) = 4.9683.
        # The deviation of 4, 3, 3 is 0.5774; 4.3027 * 0.5774 / sqrt(3) = 1.4342.
        self.assertEqual(
            self._row(grid, "KDCL-General"),
            ["KDCL-General", "", "+4.1", "+2.33", "−2.84 to +7.50", "+3.00, +4.00, +0.00", "+3.0",
             "+1.00", "−3.97 to +5.97", "+1.00, −1.00, +3.00", "+7.1", "+3.33", "+1.90 to +4.77",
             "3"],
        )  # fmt: skip
        self.assertEqual(
            self._row(grid, "DML"),
            ["DML", "", "+3.4", "+6.00", "–", "+6.00", "+2.6", "+0.00", "–", "+0.00", "+6.0",
             "+6.00", "–", "1"],
        )  # fmt: skip
        self.assertNotIn("Vanilla", [row[0] for row in grid.rows])

    def test_one_seed_has_no_paired_gains(self):
        table = TABLES["7"]
        scale = scales.scale("small", table)
        subject = Subject(Records(self.folder, table, 1), table.columns, scale, "command")
        self.assertEmpty(list(gains.paired(subject)))

    def test_the_papers_gains_are_over_its_own_vanilla(self):
        write_run(self.folder, "vanilla_held_out", 0, {"a": 0.5, "b": 0.6})
        write_run(self.folder, "general_icl", 0, {"a": 0.52, "b": 0.61})
        grid = self._grid(grids.accuracies, "all", scale="medium")
        row = self._row(grid, "KDCL-General")
        self.assertEqual(row[-2:], ["+7.7", "+3.00"])


if __name__ == "__main__":
    absltest.main()
