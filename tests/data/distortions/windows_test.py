"""Tests of kdcl_tf.data.distortions.windows."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.distortions import windows as windows_lib

Windows = windows_lib.Windows


def draws(count, seed=0):
    return np.random.default_rng(seed).random([count, Windows.draws], np.float32)


def by_definition(row, height, width):
    """The windows of Szegedy et al. in the plainest way: a loop over ten tries."""
    for area, ratio in zip(row[:10], row[10:20]):
        pixels = (0.08 + 0.92 * area) * height * width
        ratio = np.exp(np.log(3 / 4) + (np.log(4 / 3) - np.log(3 / 4)) * ratio)
        high, wide = round(np.sqrt(pixels / ratio)), round(np.sqrt(pixels * ratio))
        if high <= height and wide <= width:
            corner = row[20:] * [height - high + 1, width - wide + 1]
            return [*np.floor(corner), high, wide]
    return None


class WindowsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((375, 500), (500, 333), (60, 60), (97, 40))
    def test_they_are_the_definitions(self, height, width):
        uniform = draws(500)
        found = Windows().windows(uniform, height, width).numpy()
        expected = [by_definition(row.astype(np.float64), height, width) for row in uniform]
        pairs = [(got, expect) for got, expect in zip(found, expected) if expect is not None]
        self.assertGreater(len(pairs), 400)
        # float32 rounds a half the other way now and then.
        exact = np.mean([np.array_equal(got, expect) for got, expect in pairs])
        self.assertGreater(exact, 0.99)

    def test_shares_of_the_area_and_logarithms_of_the_ratio_are_even(self):
        """Windows of at most half the area fit a square image whatever their ratio is."""
        policy = Windows(area=(0.08, 0.5))
        windows = policy.windows(draws(20_000), 1000, 1000).numpy().astype(np.float64)
        area = windows[:, 2] * windows[:, 3] / 1e6
        ratio = np.log(windows[:, 3] / windows[:, 2]) / np.log(4 / 3)
        levels = np.linspace(0.05, 0.95, 19)
        self.assertAllClose(np.quantile(area, levels), 0.08 + 0.42 * levels, atol=0.01)
        self.assertAllClose(np.quantile(ratio, levels), 2 * levels - 1, atol=0.04)

    def test_every_corner_is_as_likely(self):
        policy = Windows(area=(0.25, 0.25), aspect_ratio=(1.0, 1.0))
        windows = policy.windows(draws(10_000), 8, 8).numpy()
        self.assertAllEqual(np.unique(windows[:, 2:]), [4])
        counts = np.bincount(5 * windows[:, 0] + windows[:, 1], minlength=25)
        self.assertAllInRange(counts / 10_000, 0.03, 0.05)

    @parameterized.parameters((1, 1), (1, 90), (300, 2), (2, 3), (5, 7))
    def test_windows_of_tiny_and_thin_images_lie_inside(self, height, width):
        windows = Windows().windows(draws(300), height, width).numpy()
        self.assertAllGreaterEqual(windows[:, :2], 0)
        self.assertAllGreaterEqual(windows[:, 2:], 1)
        self.assertAllLessEqual(windows[:, 0] + windows[:, 2], height)
        self.assertAllLessEqual(windows[:, 1] + windows[:, 3], width)

    @parameterized.parameters(
        (10, 100, [0, 43, 10, 13]), (100, 9, [44, 0, 12, 9]), (30, 40, [0, 0, 30, 40])
    )
    def test_where_none_fits_it_is_the_largest_central_one(self, height, width, expected):
        # The whole area, and never in the image's own shape.
        policy = Windows(area=(1.0, 1.0))
        self.assertAllEqual(policy.windows(draws(2), height, width), [expected] * 2)


class ResizeTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((16, 12, False), (13, 3, False), (17, 9, True), (9, 40, True))
    def test_antialiased_where_a_side_shrinks_to_less_than_half(self, height, width, antialias):
        window = np.random.default_rng(0).random([height, width, 3], np.float32)
        plain = tf.image.resize(window, [8, 8])
        smooth = tf.image.resize(window, [8, 8], antialias=True)
        self.assertNotAllClose(plain, smooth)
        expected = smooth if antialias else plain
        self.assertAllClose(windows_lib.resize(tf.constant(window), 8, 8), expected)

    def test_a_plain_pixel_stays_as_it_is(self):
        pixel = tf.constant([[[9, 99, 199]]], tf.uint8)
        self.assertAllClose(windows_lib.resize(pixel, 5, 5), np.full([5, 5, 3], [9.0, 99, 199]))


if __name__ == "__main__":
    tf.test.main()
