"""Tests of what a run tells of its students before it trains them."""

import pathlib

import keras
from absl.testing import absltest, parameterized

from kdcl_tf import students
from kdcl_tf.classification import plan
from kdcl_tf.data.normalization import IMAGENET, MODES
from kdcl_tf.serving.weight_sources import WeightSource


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
        ("saved_model", MODES["caffe"], None),
        (
            "keras",
            MODES["caffe"],
            "images lose a mean of 0.485/0.458/0.408 and are divided by 0.00392/0.00392/0.00392, blue "
            "before red, as its card says",
        ),
        (
            "weights",
            None,
            "images lose a mean of 0.5/0.5/0.5 and are divided by 0.5/0.5/0.5, as the students' are, "
            "since nothing says how the teacher was trained",
        ),
        (
            "safetensors",
            IMAGENET,
            "images lose a mean of 0.485/0.456/0.406 and are divided by 0.229/0.224/0.225, as "
            "torchvision's weights for ImageNet ask, which it is taken to be",
        ),
        (
            "imagenet",
            IMAGENET,
            "images lose a mean of 0.485/0.456/0.406 and are divided by 0.229/0.224/0.225, as such "
            "weights for ImageNet were trained",
        ),
    )
    def test_a_teacher_with_what_becomes_of_its_images(self, kind, pixels, expected):
        source = WeightSource(kind, pathlib.Path("a/teacher"), "resnet18", pixels)
        found = plan.of_teacher(source, MODES["tf"])
        self.assertEqual(found, [f"the teacher is a/teacher: {expected}"] if expected else [])

    @parameterized.parameters(
        (999_999, "999,999"), (69_130_000, "69.1 million"), (4_089_000_000, "4.09 billion")
    )
    def test_numbers(self, count, expected):
        self.assertEqual(plan.told(count), expected)


if __name__ == "__main__":
    absltest.main()
