"""Tests of kdcl_tf.reproduction.scales."""

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.scales import SCALES
from kdcl_tf.reproduction.tables import TABLES


class ScalesTest(parameterized.TestCase):
    def test_full_changes_nothing(self):
        full = SCALES["full"]
        self.assertEqual((full.students, full.columns, full.flags), ({}, {}, {}))
        self.assertEqual(full.headings(TABLES["7"]), ("ResNet-32", "WRN-16-2"))

    def test_small_names_the_students_it_trains(self):
        self.assertEqual(SCALES["small"].headings(TABLES["7"]), ("ResNet-20", "WRN-16-2"))

    @parameterized.parameters(*SCALES)
    def test_each_says_what_it_is(self, name):
        self.assertEqual(SCALES[name].name, name)
        for heading in SCALES[name].columns.values():
            self.assertIn(heading, SCALES[name].description)


if __name__ == "__main__":
    absltest.main()
