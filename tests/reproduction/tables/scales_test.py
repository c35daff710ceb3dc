"""Tests of kdcl_tf.reproduction.tables.scales."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES

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

    @parameterized.product(name=scales.NAMES, number=tuple(TABLES))
    def test_each_says_what_it_is(self, name, number):
        scale = scales.scale(name, TABLES[number])
        self.assertEqual(scale.name, name)
        for heading in scale.columns.values():
            self.assertIn(heading, scale.description)


if __name__ == "__main__":
    absltest.main()
