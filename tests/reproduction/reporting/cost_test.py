"""Tests of kdcl_tf.reproduction.reporting.cost."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import cost
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run


class CostTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _grid(self, function, number, seeds=1, scale="small"):
        table = TABLES[number]
        scale = scales.scale(scale, table)
        records = Records(self.folder, table, seeds)
        _, grid = function(Subject(records, scale.headings(table), scale, "command"))
        return grid

    def _row(self, grid, label):
        return next(list(row) for row in grid.rows if row[0] == label)

    def test_cost_is_of_runs_with_the_parameters_that_were_trained(self):
        write_run(self.folder, "vanilla_resnet18", 0, {"a": 0.4}, peak_memory_gib=1.25)
        grid = self._grid(cost.cost, "6")
        # 18,000 images at the speed of the median epoch.
        self.assertEqual(
            self._row(grid, "ResNet-18"), ["ResNet-18", "0.50", "400", "4", "0.8", "1.25"]
        )
        self.assertIn("runs together took 0.0 hours", grid.caption)


if __name__ == "__main__":
    absltest.main()
