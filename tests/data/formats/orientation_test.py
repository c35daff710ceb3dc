"""Tests of kdcl_tf.data.formats.orientation, against Pillow."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.formats import orientation as orientation_lib
from tests import image_kinds

PIXELS = image_kinds.by_pillow(image_kinds.turned("PNG", 1))


@tf.function
def upright(number):
    return orientation_lib.upright(number, tf.constant(PIXELS))


class OrientationTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(range(1, 9))
    def test_upright_is_that_of_pillow(self, number):
        expected = image_kinds.transposed(image_kinds.turned("PNG", number))
        self.assertAllEqual(upright(tf.constant(number)), expected)
        size = orientation_lib.size(tf.constant(number), tf.constant(PIXELS.shape[:2]))
        self.assertAllEqual(size, expected.shape[:2])

    def test_by_hand_the_first_row_is_on_the_right(self):
        # Orientation 6: the camera was turned, and its first row is the right side.
        self.assertAllEqual(upright(tf.constant(6))[:, -1], PIXELS[0])
        self.assertAllEqual(upright(tf.constant(3)), PIXELS[::-1, ::-1])

    @parameterized.parameters(range(1, 9))
    def test_a_stored_part_turned_is_that_part_of_the_upright_image(self, number):
        orientation, rng = tf.constant(number), np.random.default_rng(number)
        whole = upright(orientation).numpy()
        for _ in range(20):
            sides = rng.integers(1, np.array(whole.shape[:2]) + 1)
            corner = rng.integers(0, np.array(whole.shape[:2]) - sides + 1)
            box = tf.constant([*corner, *sides], tf.int32)
            size = tf.constant(whole.shape[:2])
            top, left, high, wide = orientation_lib.stored_box(orientation, box, size).numpy()
            part = PIXELS[top : top + high, left : left + wide]
            expected = whole[corner[0] : corner[0] + sides[0], corner[1] : corner[1] + sides[1]]
            self.assertAllEqual(orientation_lib.upright(orientation, part), expected)


if __name__ == "__main__":
    tf.test.main()
