"""Tests of kdcl_tf.reproduction.tables.scales."""

import pathlib
import statistics

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.training.run_files import read_result

_FOLDERS = parameterized.parameters("7", "2")


class ScalesTest(parameterized.TestCase):
    @_FOLDERS
    def test_full_changes_nothing(self, number):
        full = scales.scale("full", TABLES[number])
        self.assertEqual((full.students, full.columns, full.flags), ({}, {}, {}))
        self.assertEqual(full.headings(TABLES[number]), TABLES[number].columns)

    def test_small_names_the_students_it_trains(self):
        small = scales.scale("small", TABLES["7"])
        self.assertEqual(small.headings(TABLES["7"]), ("ResNet-20", "WRN-16-2"))

    @_FOLDERS
    def test_small_says_how_long_it_trains(self, number):
        small = scales.scale("small", TABLES[number])
        first, second = small.flags["milestones"].split(",")
        said = (
            f"{small.flags['epochs']} epochs with drops of the learning rate after {first} and "
            f"{second}"
        )
        self.assertIn(said, small.description)

    def test_medium_says_how_long_it_trains(self):
        medium = scales.scale("medium", TABLES["all"])
        self.assertEqual(medium.flags["epochs"], "60")
        self.assertEqual(medium.flags["milestones"], "30,45")
        self.assertIn("60 epochs instead of 200", medium.description)
        self.assertIn("after 30 and 45", medium.description)

    @parameterized.parameters(
        ("2", "medium", "full or small or digits"),
        ("length", "full", "small or digits"),
        ("all", "small", "full or medium or digits"),
    )
    def test_a_scale_that_a_table_does_not_have_is_refused(self, number, name, expected):
        message = f"^--table={number}: expected --scale={expected}; got {name}$"
        with self.assertRaisesRegex(ValueError, message):
            scales.scale(name, TABLES[number])

    def test_flags_of_a_row_win_but_in_a_trial(self):
        row = TABLES["length"].rows[0]
        table = TABLES["length"]
        self.assertEqual(scales.scale("small", table).flags_of(row)["epochs"], "60")
        self.assertEqual(scales.scale("digits", table).flags_of(row)["epochs"], "4")

    @parameterized.parameters(
        *((name, number) for number, table in TABLES.items() for name in scales.names(table))
    )
    def test_each_says_what_it_is(self, name, number):
        scale = scales.scale(name, TABLES[number])
        self.assertEqual(scale.name, name)
        for heading in scale.columns.values():
            self.assertIn(heading, scale.description)

    def test_the_training_accuracies_that_it_tells_are_published(self):
        folder = pathlib.Path(__file__).parents[3] / "results" / "proof" / "table7_small"

        def median(row, student):
            results = [read_result(path) for path in sorted((folder / row).glob("seed*"))]
            found = [each["students"][student]["train_accuracy"] for each in results]
            return 100 * statistics.median(found)

        told = (median("vanilla", "wrn_16_2"), median("kd_wrn_to_resnet", "resnet20"))
        self.assertEqual(scales.TRAINING_ACCURACY, tuple(map(round, told)))


if __name__ == "__main__":
    absltest.main()
