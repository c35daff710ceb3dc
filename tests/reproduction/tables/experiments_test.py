"""Tests of kdcl_tf.reproduction.tables.experiments."""

from absl.testing import absltest, parameterized

from kdcl_tf.files import flagfiles
from kdcl_tf.reproduction.tables.cifar import CIFAR_TABLES
from kdcl_tf.reproduction.tables.experiments import EXPERIMENTS, LENGTHS

_TABLES = {table.number: table for table in EXPERIMENTS}
_TABLE_7 = CIFAR_TABLES[0]


class ExperimentsTest(parameterized.TestCase):
    @parameterized.parameters(*_TABLES)
    def test_numbers_of_the_paper_are_those_of_its_own_tables(self, number):
        printed = {row.name: row.paper for table in CIFAR_TABLES for row in table.rows}
        for row in _TABLES[number].rows:
            if row.name in printed and number != "length":
                self.assertEqual(row.paper, printed[row.name])
            elif row.paper != (None, None):
                # Another form of a row that the paper prints.
                self.assertEqual(row.paper, printed["general_icl"])

    @parameterized.parameters(*_TABLES)
    def test_every_row_has_its_flagfile_and_shares_the_folder_of_table_7(self, number):
        table = _TABLES[number]
        self.assertEqual((table.home, table.folder), ("7", _TABLE_7.folder))
        for row in table.rows:
            name = f"{flagfiles.SCHEME}{table.folder}/{row.flagfile or row.name}"
            self.assertIn(name, flagfiles.names())

    def test_a_row_of_the_same_name_is_the_same_run_in_every_table(self):
        found = {}
        for table in (_TABLE_7, *EXPERIMENTS):
            for row in table.runs:
                run = (row.flagfile or row.name, row.flags, row.teacher)
                self.assertEqual(found.setdefault(row.name, run), run, row.name)

    def test_every_length_is_compared_with_the_same_length(self):
        table = _TABLES["length"]
        self.assertLen(table.rows, 2 * sum(map(len, LENGTHS.values())))
        for row in table.rows:
            length = row.label.partition(", ")[2]
            self.assertEqual(table.baseline_of(row).label, f"Vanilla, {length}")

    def test_names_say_what_the_tables_are(self):
        self.assertEqual(_TABLE_7.name, "Table 7")
        self.assertEqual(CIFAR_TABLES[3].name, "Table 5")
        self.assertEqual(_TABLES["all"].name, "All of CIFAR-100")


if __name__ == "__main__":
    absltest.main()
