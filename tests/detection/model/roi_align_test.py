"""Tests of kdcl_tf.detection.model.roi_align against loops over single samples."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import roi_align


def _plain_weights(place, length):
    """`{position: weight}` of a sample of one axis, or nothing where it is too far outside."""
    if not -1.0 <= place <= length:
        return {}
    place = min(max(place, 0.0), length - 1.0)
    below = min(int(place), max(length - 2, 0))
    part = place - below
    return {below: 1.0 - part, **({below + 1: part} if part > 0.0 else {})}


def _plain_samples(box, stride, size, ratio, aligned):
    """The places, `[size, ratio]` for x and y, of a box's samples on its level."""
    half = 0.5 if aligned else 0.0
    places = []
    for start, end in zip(box[:2] / stride - half, box[2:] / stride - half):
        extent = end - start if aligned else max(end - start, 1.0)
        bins = np.arange(size)[:, None] + (np.arange(ratio) + 0.5) / ratio
        places.append(start + bins * extent / size)
    return places


def _plain_align(features, boxes, images, stride, size, ratio=2, aligned=True, upstream=None):
    """RoIAlign in float64; with `upstream` `[N, size, size, C]`, the gradient of the features."""
    features, boxes = np.float64(features), np.float64(boxes)
    output = np.zeros([len(boxes), size, size, features.shape[-1]])
    gradient = np.zeros_like(features)
    height, width = features.shape[1:3]
    for number, (box, image) in enumerate(zip(boxes, images)):
        columns, rows = _plain_samples(box, stride, size, ratio, aligned)
        for i, j, a, b in np.ndindex(size, size, ratio, ratio):
            for y, weight_y in _plain_weights(rows[i, a], height).items():
                for x, weight_x in _plain_weights(columns[j, b], width).items():
                    weight = weight_y * weight_x / ratio**2
                    output[number, i, j] += weight * features[image, y, x]
                    if upstream is not None:
                        gradient[image, y, x] += weight * upstream[number, i, j]
    return output if upstream is None else gradient


def _ramp(height=16, width=16):
    """f = x + 10 y, and twice it less 3."""
    ramp = np.arange(width)[None] + 10.0 * np.arange(height)[:, None]
    return tf.constant(np.stack([ramp, 2.0 * ramp - 3.0], axis=-1)[None], tf.float32)


# Within the 48 x 40 pixels of the image, at each border of it and outside of it; without a
# width; within one feature; as large as all of it.
_BOXES = np.float32(
    [
        [3.3, 5.1, 27.9, 33.0],
        [-9.5, -14.0, 12.0, 9.0],
        [20.0, 31.0, 61.0, 55.5],
        [100.0, 100.0, 120.0, 140.0],
        [7.0, 4.0, 7.0, 30.0],
        [10.2, 10.3, 11.1, 10.9],
        [0.0, 0.0, 40.0, 48.0],
    ]
)
_IMAGES = np.int32([0, 2, 1, 0, 2, 2, 1])


def _features(seed=0, height=12, width=10, channels=3):
    shape = [3, height, width, channels]
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


class RoiAlignTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (True, [[38.5, 42.5], [78.5, 82.5]]), (False, [[44.0, 48.0], [84.0, 88.0]])
    )
    def test_known_numbers_of_a_ramp(self, aligned, expected):
        box, image = tf.constant([[2.0, 2.0, 10.0, 10.0]]), tf.constant([0])
        found = roi_align.roi_align(_ramp(), box, image, stride=1, size=2, aligned=aligned)
        self.assertAllClose(found[0, :, :, 0], expected)
        self.assertAllClose(found[0, :, :, 1], 2.0 * np.array(expected) - 3.0)

    def test_a_box_of_each_feature_is_the_feature(self):
        # Sampled once at its centre, which lies half a feature from its corner.
        features = _features(height=3, width=4)
        rows, columns = np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij")
        corners = np.stack([columns, rows], axis=-1).reshape(-1, 2) * 8.0
        boxes = tf.constant(np.concatenate([corners, corners + 8.0], axis=1), tf.float32)
        images = tf.ones([12], tf.int32)
        found = roi_align.roi_align(features, boxes, images, 8, size=1, sampling_ratio=1)
        self.assertAllClose(found[:, 0, 0], tf.reshape(features[1], [12, 3]), atol=1e-5)

    @parameterized.product(aligned=(False, True), size=(1, 3, 7), ratio=(1, 2, 3))
    def test_values_equal_numpy(self, aligned, size, ratio):
        features = _features()
        found = roi_align.roi_align(features, _BOXES, _IMAGES, 4, size, ratio, aligned)
        expected = _plain_align(features, _BOXES, _IMAGES, 4, size, ratio, aligned)
        self.assertAllClose(found, expected, atol=1e-4)
        self.assertAllEqual(found[3], np.zeros([size, size, 3]))

    @parameterized.product(aligned=(False, True), size=(1, 3), ratio=(1, 2))
    def test_gradients_equal_numpy(self, aligned, size, ratio):
        features = _features()
        upstream = np.random.default_rng(1).normal(size=[len(_BOXES), size, size, 3])
        with tf.GradientTape() as tape:
            tape.watch(features)
            found = roi_align.roi_align(features, _BOXES, _IMAGES, 4, size, ratio, aligned)
            total = tf.reduce_sum(found * tf.cast(upstream, tf.float32))
        expected = _plain_align(features, _BOXES, _IMAGES, 4, size, ratio, aligned, upstream)
        self.assertAllClose(tape.gradient(total, features), expected, atol=1e-4)

    def test_no_gradient_is_lost_where_many_boxes_meet(self):
        # Threads that share the boxes out all add to the same few features.
        boxes = tf.tile(tf.constant([[8.0, 8.0, 40.0, 40.0]]), [2000, 1])
        images = tf.zeros([2000], tf.int32)
        gradients = []
        for _ in range(3):
            features = tf.ones([1, 12, 12, 8])
            with tf.GradientTape() as tape:
                tape.watch(features)
                total = tf.reduce_sum(roi_align.roi_align(features, boxes, images, 4, 7))
            gradients.append(tape.gradient(total, features).numpy())
            self.assertAllClose(np.float64(gradients[-1]).sum(), 2000 * 49 * 8, rtol=2e-5)
        self.assertAllEqual(gradients[0], gradients[1])
        self.assertAllEqual(gradients[0], gradients[2])

    def test_a_single_feature_serves_every_sample(self):
        features = tf.constant([[[[3.0, -2.0]]]])
        box = tf.constant([[0.0, 0.0, 32.0, 32.0]])
        found = roi_align.roi_align(features, box, tf.constant([0]), stride=32, size=7)
        self.assertAllClose(found[0], np.broadcast_to([3.0, -2.0], [7, 7, 2]))

    @parameterized.parameters(tf.float16, tf.bfloat16)
    def test_half_precision_is_averaged_in_float32(self, dtype):
        features = tf.cast(_features(), dtype)
        found = roi_align.roi_align(features, _BOXES, _IMAGES, 4, 3)
        self.assertEqual(found.dtype, tf.float32)
        expected = _plain_align(tf.cast(features, tf.float32), _BOXES, _IMAGES, 4, 3)
        self.assertAllClose(found, expected, atol=1e-4)


class StridesOfTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (1.0, 4), (55.9, 4), (56.0, 4), (111.9, 4), (112.0, 8), (223.9, 8), (224.0, 16),
        (447.9, 16), (448.0, 32), (896.0, 32), (5000.0, 32), (0.0, 4),
    )  # fmt: skip
    def test_known_sides(self, side, stride):
        boxes = tf.constant([[3.0, 9.0, 3.0 + 2.0 * side, 9.0 + 0.5 * side]])
        self.assertAllEqual(roi_align.strides_of(boxes, [4, 8, 16, 32]), [stride])

    def test_within_the_levels_there_are(self):
        boxes = tf.constant([[0.0, 0.0, side, side] for side in (10.0, 60.0, 200.0, 900.0)])
        self.assertAllEqual(roi_align.strides_of(boxes, [1, 2, 4]), [1, 4, 4, 4])
        self.assertAllEqual(roi_align.strides_of(boxes, [8]), [8] * 4)

    def test_it_is_equation_1(self):
        sides = np.random.default_rng(0).uniform(1.0, 1300.0, [200, 2]).astype(np.float32)
        level = np.floor(4.0 + np.log2(np.sqrt(np.float64(sides).prod(-1)) / 224.0))
        boxes = np.concatenate([np.zeros([200, 2], np.float32), sides], axis=1)
        expected = 2.0 ** np.clip(level, 2, 5)
        self.assertAllEqual(roi_align.strides_of(boxes, [4, 8, 16, 32]), expected)


class PyramidAlignTest(tf.test.TestCase, parameterized.TestCase):
    # Of strides 8, 4, 16 and 4.
    _boxes = np.float32(
        [[0, 0, 130, 130], [5, 5, 30, 60], [-3, -3, 260, 250], [10.5, 20.5, 60.5, 71.0]]
    )
    _images = np.int32([1, 0, 2, 2])

    def pyramid(self):
        return {stride: _features(stride, 256 // stride, 256 // stride) for stride in (4, 8, 16)}

    def test_every_box_is_aligned_on_the_level_of_its_size(self):
        pyramid = self.pyramid()
        found = roi_align.pyramid_align(pyramid, self._boxes, self._images, 3)
        for number, stride in enumerate((8, 4, 16, 4)):
            one = self._boxes[number : number + 1], self._images[number : number + 1]
            expected = roi_align.roi_align(pyramid[stride], *one, stride, 3)
            self.assertAllClose(found[number], expected[0], atol=1e-5)

    @parameterized.parameters(1, 2, 3, 4)
    def test_levels_without_boxes_in_a_graph_of_unknown_dimensions(self, count):
        pyramid, boxes, images = self.pyramid(), self._boxes[-count:], self._images[-count:]
        feature_spec = tf.TensorSpec([None, None, None, 3], tf.float32)
        specs = [tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([None], tf.int32)]

        @tf.function(input_signature=[dict.fromkeys(pyramid, feature_spec), *specs])
        def graph(pyramid, boxes, images):
            with tf.GradientTape() as tape:
                tape.watch(pyramid)
                found = roi_align.pyramid_align(pyramid, boxes, images, 2)
                total = tf.reduce_sum(found**2)
            self.assertEqual(found.shape.as_list(), [None, 2, 2, 3])
            return found, tape.gradient(total, pyramid)

        found, gradients = graph(pyramid, boxes, images)
        self.assertAllClose(found, roi_align.pyramid_align(pyramid, boxes, images, 2), atol=1e-5)
        strides = np.array([8, 4, 16, 4])[-count:]
        for stride, gradient in gradients.items():
            own = boxes[strides == stride], images[strides == stride]
            upstream = 2.0 * found.numpy()[strides == stride]
            expected = _plain_align(pyramid[stride], *own, stride, 2, upstream=upstream)
            self.assertAllClose(gradient, expected, atol=1e-4)


if __name__ == "__main__":
    tf.test.main()
