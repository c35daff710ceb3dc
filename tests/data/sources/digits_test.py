"""Tests of scikit-learn's digits as a data set."""

import numpy as np
import tensorflow as tf

from kdcl_tf import data
from kdcl_tf.data.sources import digits


class DigitsTest(tf.test.TestCase):
    def test_facts(self):
        source = digits.index()
        self.assertEqual(len(source.train) + len(source.test), 1797)
        self.assertEqual(source.train.images.pixels.shape, (1437, 32, 32, 3))
        self.assertEqual(source.class_names, tuple("0123456789"))
        self.assertAllEqual(np.bincount(source.test.labels), [36] * 10)
        self.assertEqual(source.train.images.pixels.min(), 0)
        self.assertEqual(source.train.images.pixels.max(), 255)
        self.assertFalse(source.flip)

    def test_grey(self):
        images = digits.index(8).test.images.pixels
        self.assertAllEqual(images[..., 0], images[..., 2])

    def test_own_size_gives_the_scans_in_256_levels(self):
        source = digits.index(8)
        levels = np.unique(source.train.images.pixels)
        self.assertAllEqual(levels, np.round(np.arange(17) * 255 / 16))

    def test_same_every_time(self):
        first, second = data.load("digits"), data.load("digits")
        self.assertAllEqual(first.train.images, second.train.images)
        self.assertAllEqual(first.test.labels, second.test.labels)


if __name__ == "__main__":
    tf.test.main()
