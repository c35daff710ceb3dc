"""Tests of the distortion against plain NumPy, one image at a time."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.distortions import padded_crop as distortion_lib

HEIGHT, WIDTH = 9, 7
KEY = np.array([5, 6], np.int64)


def make_images(count):
    shape = [count, HEIGHT, WIDTH, 3]
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def distort_plainly(image, padding, cutout, top, left, mirror, row, column):
    """Pads, crops, mirrors, cuts: as the papers say it."""
    image = np.pad(image, [[padding, padding], [padding, padding], [0, 0]])
    image = image[top : top + HEIGHT, left : left + WIDTH].copy()
    if mirror:
        image = image[:, ::-1].copy()
    first_row, first_column = row - cutout // 2, column - cutout // 2
    rows = slice(max(first_row, 0), max(first_row + cutout, 0))
    columns = slice(max(first_column, 0), max(first_column + cutout, 0))
    image[rows, columns] = 0.0
    return image


class ApplyTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(padding=(0, 1, 4), flip=(False, True), cutout=(0, 1, 4, 5))
    def test_is_plain_numpys(self, padding, flip, cutout):
        policy = distortion_lib.PaddedCrop(flip, padding, cutout)
        draws = policy.draw(KEY, 40, HEIGHT, WIDTH)
        images = make_images(40)
        got = policy.apply(tf.constant(images), draws)
        for number, image in enumerate(images):
            mine = [field[number].numpy() for field in draws]
            expected = distort_plainly(image, padding, cutout, *mine)
            self.assertAllEqual(got[number], expected)

    def test_no_distortion_changes_nothing(self):
        policy = distortion_lib.PaddedCrop(False, 0)
        images = tf.constant(make_images(4))
        draws = policy.draw(KEY, 4, HEIGHT, WIDTH)
        self.assertAllEqual(policy.apply(images, draws), images)

    def test_cutout_of_even_length_has_that_area_inside(self):
        policy = distortion_lib.PaddedCrop(False, 0, 4)
        draws = policy.draw(KEY, 1, HEIGHT, WIDTH)._replace(
            hole_row=tf.constant([4]), hole_column=tf.constant([3])
        )
        got = policy.apply(tf.ones([1, HEIGHT, WIDTH, 1]), draws)
        self.assertEqual(tf.reduce_sum(1.0 - got), 16.0)


class DrawTest(parameterized.TestCase, tf.test.TestCase):
    def test_every_value_is_reached_about_equally(self):
        draws = distortion_lib.PaddedCrop().draw(KEY, 90_000, HEIGHT, WIDTH)
        for field, bound in (
            (draws.top, 9),
            (draws.left, 9),
            (tf.cast(draws.mirror, tf.int32), 2),
            (draws.hole_row, HEIGHT),
            (draws.hole_column, WIDTH),
        ):
            shares = np.bincount(field.numpy(), minlength=bound) / 90_000
            self.assertLen(shares, bound)
            self.assertAllClose(shares, [1 / bound] * bound, atol=0.01)

    def test_fields_are_independent(self):
        draws = distortion_lib.PaddedCrop().draw(KEY, 20_000, HEIGHT, WIDTH)
        table = np.stack([np.float64(field) for field in draws])
        correlation = np.corrcoef(table) - np.eye(5)
        self.assertAllClose(correlation, np.zeros([5, 5]), atol=0.04)

    def test_row_depends_on_key_and_number_alone(self):
        few = distortion_lib.PaddedCrop().draw(KEY, 10, HEIGHT, WIDTH)
        many = distortion_lib.PaddedCrop().draw(KEY, 1000, HEIGHT, WIDTH)
        for first, second in zip(few, many):
            self.assertAllEqual(first, second[:10])

    def test_switching_one_part_off_leaves_the_rest(self):
        full = distortion_lib.PaddedCrop(cutout=3).draw(KEY, 50, HEIGHT, WIDTH)
        less = distortion_lib.PaddedCrop(flip=False).draw(KEY, 50, HEIGHT, WIDTH)
        self.assertAllEqual(full.top, less.top)
        self.assertAllEqual(full.left, less.left)
        self.assertFalse(np.any(less.mirror))

    @parameterized.parameters("padding", "cutout")
    def test_negative(self, name):
        with self.assertRaisesRegex(ValueError, f"{name}: expected 0 or more pixels; got -1"):
            distortion_lib.PaddedCrop(**{name: -1})


if __name__ == "__main__":
    tf.test.main()
