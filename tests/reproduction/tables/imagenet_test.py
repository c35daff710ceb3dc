"""Tests of kdcl_tf.reproduction.tables.imagenet: the numbers against the paper's text."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables.imagenet import IMAGENET_TABLES

_TABLES = {table.number: table for table in IMAGENET_TABLES}


class ImageNetTablesTest(parameterized.TestCase):
    @parameterized.parameters(
        # The paper prints these gains: sums over all students, over Vanilla.
        ("2", "kd", 0.9),
        ("2", "dml", -0.5),
        ("2", "naive", 2.4),
        ("2", "linear", 2.9),
        ("2", "min_logit", 2.9),
        ("2", "general", 1.1),
        ("6", "four_students", 7.8),
    )
    def test_accuracies_add_up_to_the_gains_printed_beside_them(self, number, name, gain):
        table = _TABLES[number]
        found = sum(table.row(name).paper) - sum(table.row("vanilla").paper)
        self.assertAlmostEqual(found, gain, places=6)

    def test_tables_agree_where_the_paper_prints_a_number_twice(self):
        two, three = _TABLES["2"], _TABLES["3"]
        for name in ("one", "clnn", "min_logit"):
            self.assertEqual(two.row(name).paper[1], three.row(name).paper[0])
        self.assertEqual(two.row("vanilla").paper[1], three.row("vanilla_resnet18").paper[0])
        first = _TABLES["5"].row("students_1").paper[0]
        self.assertEqual(first, _TABLES["1"].row("vanilla_100_resnet18").paper[1])

    def test_vanilla_rows_of_pairs_report_students_trained_alone(self):
        table = _TABLES["4"]
        vanilla = [row for row in table.rows if not row.is_run]
        self.assertLen(vanilla, 5)
        for row in vanilla[:4]:
            alone = tuple(table.run(name).paper[position] for name, position in row.reports)
            self.assertEqual(row.paper, alone)
        self.assertEqual(vanilla[0].paper, (72.0, 64.8))


if __name__ == "__main__":
    absltest.main()
