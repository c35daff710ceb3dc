"""Tests of kdcl_tf.reproduction.tables.catalogue."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables.catalogue import TABLES


class TablesTest(parameterized.TestCase):
    def test_all_tables_of_the_paper_but_that_of_detection_are_there(self):
        self.assertContainsSubset({"1", "2", "3", "4", "5", "6", "7", "9", "10"}, TABLES)

    @parameterized.parameters(*TABLES)
    def test_every_table_holds_together(self, number):
        table = TABLES[number]
        names = [row.name for row in table.rows]
        self.assertLen(set(names), len(names))
        self.assertIn(table.baseline, names)
        runs = [run.name for run in table.runs]
        self.assertLen(set(runs), len(runs))
        for row in table.rows:
            self.assertLen(row.paper, len(table.columns))
            self.assertLen(row.reports, len(table.columns))
            self.assertIn(table.baseline_of(row).name, names)
            for reported in (*row.reports, row.teacher):
                if isinstance(reported, tuple):
                    self.assertIn(reported[1], table.run(reported[0]).reports)


if __name__ == "__main__":
    absltest.main()
