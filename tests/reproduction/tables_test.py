"""Tests of kdcl_tf.reproduction.tables: the numbers against the paper's text."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables import TABLES


class TablesTest(parameterized.TestCase):
    @parameterized.parameters(
        # The paper prints these gains: sums over both students, over Vanilla.
        ("kd_wrn_to_resnet", 3.4),
        ("kd_resnet_to_wrn", 2.3),
        ("dml", 6.0),
        ("naive", 6.4),
        ("naive_icl", 6.6),
        ("linear", 5.9),
        ("linear_icl", 6.4),
        ("min_logit", 5.0),
        ("min_logit_icl", 6.0),
        ("general", 7.1),
        ("general_icl", 7.7),
    )
    def test_accuracies_of_table_7_add_up_to_the_gains_printed_there(self, name, gain):
        table = TABLES["7"]
        found = sum(table.row(name).paper) - sum(table.row("vanilla").paper)
        self.assertAlmostEqual(found, gain, places=6)

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

    def test_lambda_1_is_the_last_row_of_table_7(self):
        self.assertEqual(TABLES["9"].row("lambda_1").paper, TABLES["7"].row("general_icl").paper)


if __name__ == "__main__":
    absltest.main()
