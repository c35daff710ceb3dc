"""A base for tests of a report's tables, on runs with chosen numbers."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES


class ReportTestCase(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _grid(self, function, number, seeds=1, scale="small"):
        """The table that a function of a `Subject` makes of the runs in `folder`."""
        table = TABLES[number]
        scale = scales.scale(scale, table)
        records = Records(self.folder, table, seeds)
        _, grid = function(Subject(records, scale.headings(table), scale, "command"))
        return grid

    def _row(self, grid, label):
        return next(list(row) for row in grid.rows if row[0] == label)
