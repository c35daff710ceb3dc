"""Tests of what a run tells of its students before it trains them."""

import keras
from absl.testing import absltest, parameterized

from kdcl_tf import students
from kdcl_tf.classification import plan


class PlanTest(parameterized.TestCase):
    def test_students_with_the_numbers_of_the_paper(self):
        found = plan.of_students({"resnet32": students.build("resnet32", 100)})
        self.assertEqual(
            found, ["student resnet32: 472,756 parameters, 69.1 million multiply-adds per image"]
        )

    def test_a_network_that_cannot_be_counted_has_its_parameters_told(self):
        model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2DTranspose(2, 3)])
        self.assertEqual(plan.of_students({"odd": model}), ["student odd: 20 parameters"])

    @parameterized.parameters(
        (999_999, "999,999"), (69_130_000, "69.1 million"), (4_089_000_000, "4.09 billion")
    )
    def test_numbers(self, count, expected):
        self.assertEqual(plan.told(count), expected)


if __name__ == "__main__":
    absltest.main()
