"""Tests of kdcl_tf.detection.model.anchors."""

import keras_cv
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model.anchors import RATIOS, SCALE, Anchors


class AnchorsTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        # Ratio 4 at side 8: 16 wide, 4 high.  Two rows of three at stride 4.
        anchors = Anchors([4], scale=2.0, ratios=(1.0, 4.0))
        self.assertEqual(anchors.count, 2)
        found = anchors.level(4, 2, 3)
        self.assertEqual(found.shape, [12, 4])
        self.assertAllClose(found[0], [-2.0, -2.0, 6.0, 6.0])
        self.assertAllClose(found[1], [-6.0, 0.0, 10.0, 4.0])
        # The next column, then the next row.
        self.assertAllClose(found[2], [2.0, -2.0, 10.0, 6.0])
        self.assertAllClose(found[6], [-2.0, 2.0, 6.0, 10.0])
        self.assertAllClose(found[11], [2.0, 4.0, 18.0, 8.0])

    def test_centres_areas_and_ratios_are_those_of_the_papers(self):
        anchors = Anchors([4, 8, 16, 32, 64])
        for stride, side in zip(anchors.strides, (32, 64, 128, 256, 512)):
            found = anchors.level(stride, 3, 5).numpy().reshape(3, 5, 3, 4)
            extents = found[..., 2:] - found[..., :2]
            centres = 0.5 * (found[..., :2] + found[..., 2:])
            self.assertAllClose(extents.prod(-1), np.full([3, 5, 3], side**2), rtol=1e-5)
            ratios = np.broadcast_to(RATIOS, [3, 5, 3])
            self.assertAllClose(extents[..., 0] / extents[..., 1], ratios, rtol=1e-5)
            rows, columns = np.meshgrid(np.arange(3), np.arange(5), indexing="ij")
            expected = (np.stack([columns, rows], axis=-1) + 0.5) * stride
            for ratio in range(3):
                self.assertAllClose(centres[:, :, ratio], expected, atol=1e-3)

    def test_a_whole_image_of_keras_cv(self):
        strides = (8, 16, 32)
        expected = keras_cv.layers.AnchorGenerator(
            "xyxy",
            sizes=[SCALE * stride for stride in strides],
            scales=[1.0],
            aspect_ratios=list(RATIOS),
            strides=list(strides),
        )(image_shape=(96, 160, 3))
        anchors = Anchors(strides)
        for number, stride in enumerate(strides):
            found = anchors.level(stride, 96 // stride, 160 // stride)
            self.assertAllClose(found, expected[number], atol=1e-3)

    @parameterized.parameters((2, 3), (1, 1), (0, 4))
    def test_the_size_may_be_known_only_when_it_runs(self, height, width):
        anchors = Anchors([4])
        graph = tf.function(
            lambda height, width: anchors.level(4, height, width),
            input_signature=[tf.TensorSpec([], tf.int32)] * 2,
        )
        found = graph(height, width)
        self.assertEqual(found.shape, [height * width * 3, 4])
        self.assertAllEqual(found, anchors.level(4, height, width))

    def test_far_from_the_origin_they_are_exact(self):
        # 1 / 32 pixel is the least that float32 tells apart at 2^18.
        found = Anchors([64], scale=8.0, ratios=(1.0,)).level(64, 1, 4097)
        self.assertAllEqual(found[4096], [64.0 * 4096 - 224.0, -224.0, 64.0 * 4096 + 288.0, 288.0])


if __name__ == "__main__":
    tf.test.main()
