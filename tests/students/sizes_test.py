"""Tests of kdcl_tf.students.sizes."""

import numpy as np
from absl.testing import absltest, parameterized

from kdcl_tf.students import sizes


class SizesTest(parameterized.TestCase):
    @parameterized.parameters(1, 0, -3, 10.0, True, "10", None)
    def test_num_classes_is_checked(self, num_classes):
        with self.assertRaisesRegex(ValueError, "num_classes must be an integer of 2 or more; got"):
            sizes.checked_num_classes(num_classes)

    def test_a_students_smallest_side_is_its_familys(self):
        for name, smallest in (("resnet8", 4), ("wrn_10_1", 4), ("resnet18", 32)):
            sizes.validate_size(name, smallest)
            message = f"expected {smallest} or more pixels .*{name}.*; got {smallest - 1}$"
            with self.assertRaisesRegex(ValueError, message):
                sizes.validate_size(name, smallest - 1)
        # Keras's classifiers say themselves what they refuse.
        sizes.validate_size("keras:VGG16", 1)

    def test_numpy_integers_become_ints(self):
        self.assertIs(type(sizes.checked_num_classes(np.int64(5))), int)
        shape = sizes.checked_input_shape([np.int32(32), np.int64(40), 3], "resnet")
        self.assertEqual(shape, (32, 40, 3))
        self.assertEqual({type(size) for size in shape}, {int})

    @parameterized.parameters(
        ((32, 32),), ((32, 32, 0),), ((32, -32, 3),), ((None, None, 3),), ((32.0, 32, 3),),
        ((1, 32, 32, 3),), ("abc",), (32,), (None,),
    )  # fmt: skip
    def test_input_shape_is_checked(self, input_shape):
        with self.assertRaisesRegex(ValueError, "must be three positive integers .*; got"):
            sizes.checked_input_shape(input_shape, "cifar_resnet")

    @parameterized.parameters(
        ("cifar_resnet", 4, "twice"),
        ("wide_resnet", 4, "twice"),
        ("resnet", 32, "five times"),
        ("mobilenet_v2", 32, "five times"),
    )
    def test_the_smallest_image_is_a_familys(self, family, smallest, times):
        shape = (smallest, smallest, 1)
        self.assertEqual(sizes.checked_input_shape(shape, family), shape)
        message = rf"{smallest} or more, because .* halve them {times}; got \(64, {smallest - 1}, 3"
        with self.assertRaisesRegex(ValueError, message):
            sizes.checked_input_shape((64, smallest - 1, 3), family)

    @parameterized.parameters(
        (("resnet32", "wrn_16_2"), 32),
        (("resnet32", "resnet18"), 224),
        (("mobilenet_v2_0.5",), 224),
        (("keras:ResNet50V2",), 224),
    )
    def test_one_network_for_imagenet_makes_photographs_large(self, names, wanted):
        self.assertEqual(sizes.default_image_size(names), wanted)

    def test_keras_says_itself_what_it_refuses(self):
        self.assertEqual(sizes.checked_input_shape((1, 1, 3), "keras"), (1, 1, 3))


if __name__ == "__main__":
    absltest.main()
