"""Tests of kdcl_tf.detection.model.boxes."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import boxes
from tests.detection import plain_boxes

_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def _random(seed, count):
    return plain_boxes.random_boxes(np.random.default_rng(seed), count)


class IouTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        square = tf.constant([[0.0, 0.0, 10.0, 10.0]])
        others = tf.constant(
            [
                [0.0, 0.0, 10.0, 10.0],
                [5.0, 0.0, 15.0, 10.0],
                [5.0, 5.0, 15.0, 15.0],
                [10.0, 0.0, 20.0, 10.0],
                [2.0, 2.0, 4.0, 7.0],
            ]
        )
        self.assertAllClose(boxes.iou(square, others), [[1.0, 1 / 3, 1 / 7, 0.0, 0.1]])

    def test_it_equals_numpy_with_and_without_a_batch(self):
        first, second = _random(0, 12), _random(1, 7)
        expected = plain_boxes.ious(first, second)
        self.assertGreater(np.count_nonzero(expected), 10)
        self.assertAllClose(boxes.iou(first, second), expected, atol=1e-6)
        batched = boxes.iou(tf.reshape(first, [3, 4, 4]), tf.stack([second] * 3))
        self.assertAllClose(tf.reshape(batched, [12, 7]), expected, atol=1e-6)

    def test_it_is_symmetric_and_knows_no_unit(self):
        first, second = _random(0, 12), _random(1, 7)
        expected = boxes.iou(first, second)
        self.assertAllClose(tf.transpose(boxes.iou(second, first)), expected)
        self.assertAllClose(boxes.iou(first * 8.0, second * 8.0), expected, atol=1e-6)

    def test_boxes_without_area_overlap_nothing_not_even_themselves(self):
        flat = tf.constant([[3.0, 3.0, 3.0, 8.0], [5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 9.0, 9.0]])
        expected = np.zeros([3, 3])
        expected[2, 2] = 1.0
        self.assertAllClose(boxes.iou(flat, flat), expected)

    @parameterized.parameters(0, 5)
    def test_no_others_in_a_graph_of_unknown_dimensions(self, count):
        first, second = _random(0, 6).reshape(2, 3, 4), _random(1, 2 * count).reshape(2, count, 4)
        graph = tf.function(
            boxes.iou, input_signature=[tf.TensorSpec([None, None, 4], tf.float32)] * 2
        )
        found = graph(first, second)
        self.assertEqual(found.shape, [2, 3, count])
        self.assertAllClose(found, boxes.iou(first, second))


class CoverageTest(tf.test.TestCase):
    def test_known_numbers(self):
        found = boxes.coverage(
            tf.constant([[[0.0, 0.0, 10.0, 10.0], [4.0, 4.0, 6.0, 6.0], [3.0, 3.0, 3.0, 9.0]]]),
            tf.constant([[[5.0, 0.0, 100.0, 100.0], [20.0, 20.0, 30.0, 30.0]]]),
        )
        self.assertAllClose(found, [[[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]]])

    def test_it_equals_numpy(self):
        first, second = _random(2, 10), _random(3, 8)
        expected = [
            [plain_boxes.intersection(box, other) / plain_boxes.area(box) for other in second]
            for box in np.float64(first)
        ]
        self.assertAllClose(boxes.coverage(first[None], second[None])[0], expected, atol=1e-5)


class ClipTest(tf.test.TestCase):
    def test_known_numbers_of_two_images(self):
        box = [-5.0, -7.0, 300.0, 400.0]
        clipped = boxes.clip(tf.constant([[box], [box]]), tf.constant([[100, 50], [20, 500]]))
        self.assertAllClose(clipped, [[[0.0, 0.0, 50.0, 100.0]], [[0.0, 0.0, 300.0, 20.0]]])

    def test_boxes_inside_stay_and_boxes_outside_have_no_area(self):
        inside = [3.25, 4.5, 9.75, 20.0]
        beside = [[60.0, 2.0, 70.0, 9.0], [-9.0, -9.0, -1.0, -1.0]]
        clipped = boxes.clip(tf.constant([[inside, *beside]]), tf.constant([[20, 50]]))
        self.assertAllEqual(clipped[0, 0], inside)
        self.assertAllEqual(boxes.area(clipped)[0, 1:], [0.0, 0.0])

    def test_no_boxes_stay_no_boxes(self):
        clipped = boxes.clip(tf.zeros([2, 0, 4]), tf.ones([2, 2], tf.int32))
        self.assertEqual(clipped.shape, [2, 0, 4])


class CodingTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        # Centre (10, 20) of 8 x 4, from centre (6, 18) of 4 x 8.
        box, anchor = [6.0, 18.0, 14.0, 22.0], [4.0, 14.0, 8.0, 22.0]
        expected = np.array([1.0, 0.25, np.log(2.0), -np.log(2.0)])
        self.assertAllClose(boxes.encode(tf.constant(box), tf.constant(anchor)), expected)
        weighted = boxes.encode(tf.constant(box), tf.constant(anchor), _WEIGHTS)
        self.assertAllClose(weighted, expected * _WEIGHTS)
        self.assertAllClose(boxes.decode(tf.cast(expected, tf.float32), tf.constant(anchor)), box)

    def test_no_code_is_the_anchor_itself(self):
        anchors = _random(0, 9)
        self.assertAllClose(boxes.encode(anchors, anchors), np.zeros([9, 4]), atol=1e-6)
        self.assertAllClose(boxes.decode(tf.zeros([9, 4]), anchors), anchors, atol=1e-4)

    @parameterized.parameters((1.0, 1.0, 1.0, 1.0), _WEIGHTS)
    def test_decode_is_the_inverse_of_encode(self, *weights):
        expected, anchors = _random(4, 50), _random(5, 50)
        codes = boxes.encode(expected, anchors, weights)
        self.assertAllClose(boxes.decode(codes, anchors, weights), expected, atol=1e-3)
        codes = tf.random.stateless_normal([50, 4], [1, 2])
        again = boxes.encode(boxes.decode(codes, anchors, weights), anchors, weights)
        self.assertAllClose(again, codes, atol=1e-3)

    def test_codes_of_several_classes_share_their_anchor(self):
        codes, anchors = tf.random.stateless_normal([2, 5, 3, 4], [0, 1]), _random(6, 10)
        anchors = anchors.reshape(2, 5, 4)
        found = boxes.decode(codes, anchors[:, :, None, :])
        self.assertEqual(found.shape, [2, 5, 3, 4])
        self.assertAllClose(found[:, :, 1], boxes.decode(codes[:, :, 1], anchors))

    def test_a_scale_beyond_the_largest_is_the_largest(self):
        anchor = tf.constant([0.0, 0.0, 16.0, 16.0])
        found = boxes.decode(tf.constant([0.0, 0.0, 40.0, 1e30]), anchor)
        self.assertAllClose(found, [8.0 - 500.0, 8.0 - 500.0, 8.0 + 500.0, 8.0 + 500.0])

    def test_codes_have_no_unit(self):
        expected, anchors = _random(4, 50), _random(5, 50)
        found = boxes.encode(expected * 4.0, anchors * 4.0)
        self.assertAllClose(found, boxes.encode(expected, anchors), atol=1e-5)

    def test_boxes_without_area_are_none(self):
        found = boxes.is_box(
            tf.constant([[[0.0, 0, 1, 1], [3, 3, 3, 9], [5, 2, 4, 3], [0, 7, 9, 7.0001]]])
        )
        self.assertAllEqual(found, [[True, False, False, False]])


if __name__ == "__main__":
    tf.test.main()
