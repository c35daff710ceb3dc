"""Tests of kdcl_tf.detection.model.suppression against a greedy loop."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import suppression
from tests.detection import plain_boxes

_OUT = -float("inf")


def _plain_keep(boxes, scores, groups, threshold):
    """Positions that stay, surest first: within a group the surest removes what overlaps it."""
    kept = []
    for position in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if groups[other] == groups[position]]
        if np.isfinite(scores[position]) and all(
            plain_boxes.iou(boxes[position], boxes[other]) <= threshold for other in rivals
        ):
            kept.append(position)
    return kept


def _close_boxes(rng, count):
    """Boxes of which many overlap by much."""
    boxes = plain_boxes.random_boxes(rng, count)[rng.integers(count // 4, size=count)]
    return boxes + rng.uniform([0, 0, 4, 4], [4, 4, 8, 8], [count, 4]).astype(np.float32)


class KeepProposalsTest(tf.test.TestCase, parameterized.TestCase):
    def _keep(self, boxes, scores, levels=None, count=4, threshold=0.5):
        levels = [0] * len(boxes) if levels is None else levels
        found, valid = suppression.keep_proposals(
            tf.constant([boxes], tf.float32),
            tf.constant([scores], tf.float32),
            tf.constant(levels, tf.int32),
            count,
            threshold,
        )
        self.assertEqual((found.shape, valid.shape), ([1, count, 4], [1, count]))
        return found[0].numpy(), valid[0].numpy()

    def test_known_numbers(self):
        large, part, apart = [0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]
        found, valid = self._keep([large, apart, part], [0.5, -3.0, 2.0])
        self.assertAllEqual(found, [part, apart, [0] * 4, [0] * 4])
        self.assertAllEqual(valid, [True, True, False, False])
        found, valid = self._keep([large, apart, part], [0.5, -3.0, 2.0], levels=[1, 1, 0])
        self.assertAllEqual(found[:3], [part, large, apart])
        self.assertAllEqual(valid, [True, True, True, False])

    def test_as_much_as_the_threshold_is_not_too_much(self):
        boxes = [[0, 0, 10, 10], [0, 0, 10, 5]]
        self.assertAllEqual(self._keep(boxes, [1.0, 0.0], threshold=0.5)[1][:2], [True, True])
        self.assertAllEqual(self._keep(boxes, [1.0, 0.0], threshold=0.49)[1][:2], [True, False])

    def test_of_boxes_that_tie_the_first_stays(self):
        found, valid = self._keep([[0, 0, 10, 9], [0, 0, 10, 10]], [1.0, 1.0])
        self.assertAllEqual(found[valid], [[0, 0, 10, 9]])

    def test_all_are_out_of_question_whatever_they_are(self):
        nan = [float("nan")] * 4
        found, valid = self._keep([[0, 0, 9, 9], nan, [0, 0, 0, 0]], [_OUT, _OUT, _OUT])
        self.assertAllEqual(valid, [False] * 4)
        self.assertAllEqual(found, np.zeros([4, 4]))

    def test_a_box_that_is_no_number_harms_no_other(self):
        nan, first, second = [float("nan")] * 4, [0, 0, 10, 10], [0, 0, 10, 9]
        found, valid = self._keep([nan, first, second, first], [_OUT, 2.0, 1.0, 0.0], [0, 0, 0, 1])
        self.assertAllEqual(found[valid], [first, first])

    def test_levels_are_apart_wherever_their_boxes_are(self):
        boxes = [[-40, -40, -10, -10], [-9, -9, 1, 1], [-40, -40, -10, -10], [-9, -9, 1, 1]]
        _, valid = self._keep(boxes, [4.0, 3.0, 2.0, 1.0], levels=[0, 0, 1, 1])
        self.assertAllEqual(valid, [True] * 4)
        _, valid = self._keep([[-40, -40, -30, -30], [-42, -42, -32, -32]], [1.0, 0.5], [1, 0])
        self.assertAllEqual(valid, [True, True, False, False])

    @parameterized.product(threshold=(0.3, 0.7), count=(10, 300))
    def test_it_equals_a_greedy_loop_on_three_images(self, threshold, count):
        rng = np.random.default_rng(0)
        boxes = np.float32([_close_boxes(rng, 80) for _ in range(3)])
        scores = rng.normal(size=[3, 80]).astype(np.float32)
        scores[rng.uniform(size=[3, 80]) < 0.1] = _OUT
        levels = np.sort(rng.integers(3, size=80)).astype(np.int32)
        keep = tf.function(
            lambda *args: suppression.keep_proposals(*args, count, threshold),
            input_signature=[
                tf.TensorSpec([None, None, 4], tf.float32),
                tf.TensorSpec([None, None], tf.float32),
                tf.TensorSpec([None], tf.int32),
            ],
        )
        found, valid = keep(boxes, scores, levels)
        for image in range(3):
            expected = _plain_keep(boxes[image], scores[image], levels, threshold)[:count]
            self.assertAllEqual(np.flatnonzero(valid[image]), np.arange(len(expected)))
            self.assertAllEqual(found[image, : len(expected)], boxes[image, expected])
            self.assertAllEqual(found[image, len(expected) :], np.zeros([count - len(expected), 4]))


class KeepDetectionsTest(tf.test.TestCase, parameterized.TestCase):
    def _keep(self, boxes, scores, count=3, threshold=0.5, least_score=0.05):
        return suppression.keep_detections(
            tf.constant([boxes], tf.float32),
            tf.constant([scores], tf.float32),
            count,
            threshold,
            least_score,
        )

    def test_known_numbers(self):
        large, part, apart = [0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]
        # Two regions, two classes: the second class does not see the first.
        found = self._keep([[large, apart], [part, large]], [[0.9, 0.3], [0.8, 0.04]])
        self.assertAllEqual(found["valid"], [[True, True, False]])
        self.assertAllEqual(found["boxes"], [[large, apart, [0] * 4]])
        self.assertAllClose(found["scores"], [[0.9, 0.3, 0.0]])
        self.assertAllEqual(found["classes"], [[0, 1, 0]])

    def test_boxes_without_area_are_never_kept(self):
        # As clipping leaves them of what lies outside of the image: a line, or a point.
        boxes = [[[0, 3, 0, 9]], [[7, 7, 7, 7]], [[0, 0, 9, 1e-4]], [[1, 1, 5, 5]]]
        found = self._keep(boxes, [[0.9], [0.8], [0.7], [0.2]])
        self.assertAllEqual(found["valid"], [[True, False, False]])
        self.assertAllEqual(found["boxes"][0][0], [1, 1, 5, 5])

    def test_nothing_is_sure_enough(self):
        found = self._keep([[[0, 0, 9, 9]]] * 4, [[0.01]] * 4)
        self.assertAllEqual(found["valid"], [[False] * 3])
        self.assertAllEqual(found["boxes"], np.zeros([1, 3, 4]))
        self.assertAllEqual(found["scores"], np.zeros([1, 3]))

    @parameterized.parameters(5, 200)
    def test_it_equals_a_greedy_loop_on_three_images(self, count):
        rng, regions, classes = np.random.default_rng(1), 60, 4
        boxes = np.float32([_close_boxes(rng, regions * classes) for _ in range(3)])
        boxes = boxes.reshape(3, classes, regions, 4).transpose(0, 2, 1, 3)
        scores = rng.uniform(size=[3, regions, classes]).astype(np.float32)
        keep = tf.function(
            lambda *args: suppression.keep_detections(*args, count, 0.5, 0.3),
            input_signature=[
                tf.TensorSpec([None, None, classes, 4], tf.float32),
                tf.TensorSpec([None, None, classes], tf.float32),
            ],
        )
        found = {name: each.numpy() for name, each in keep(boxes, scores).items()}
        groups = np.arange(regions * classes) % classes
        for image in range(3):
            flat = boxes[image].reshape(-1, 4), scores[image].reshape(-1)
            sure = np.where(flat[1] > 0.3, flat[1], _OUT)
            expected = _plain_keep(flat[0], sure, groups, 0.5)[:count]
            valid = found["valid"][image]
            self.assertAllEqual(np.flatnonzero(valid), np.arange(len(expected)))
            self.assertAllClose(found["boxes"][image][valid], flat[0][expected])
            self.assertAllClose(found["scores"][image][valid], flat[1][expected])
            self.assertAllEqual(found["classes"][image][valid], groups[expected])


if __name__ == "__main__":
    tf.test.main()
