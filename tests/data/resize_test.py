"""Tests of resizing to a square."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data import resize


class ResizeTest(tf.test.TestCase):
    def test_same_size_changes_nothing(self):
        images = np.random.default_rng(0).integers(0, 256, [2, 8, 8, 3])
        images = images.astype(np.uint8)
        self.assertAllEqual(resize.to_uint8(images, 8), images)

    def test_extremes_do_not_wrap_round(self):
        for level in (0, 255):
            image = np.full([5, 9, 3], level, np.uint8)
            self.assertAllEqual(resize.to_uint8(image, 32), np.full([32, 32, 3], level))

    def test_shrinking_averages(self):
        stripes = np.tile(np.array([0, 255], np.uint8), 32)
        image = np.broadcast_to(stripes[None, :, None], [64, 64, 3])
        inner = resize.to_uint8(image, 8)[:, 1:-1].astype(np.int32)
        self.assertAllInRange(inner, 120, 135)


if __name__ == "__main__":
    tf.test.main()
