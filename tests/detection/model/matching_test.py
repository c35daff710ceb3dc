"""Tests of kdcl_tf.detection.model.matching against the paper's rule, one candidate at a time."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import matching
from kdcl_tf.detection.model.matching import IGNORED, NEGATIVE, POSITIVE
from tests.detection import plain_boxes

_CROWDED = 0.7


def _plain_match(candidates, boxes, is_object, crowds, low, high, keep_best):
    """Ren et al. (2015), section 3.1.2, for one image; matched is None without an overlap."""
    objects = [position for position in range(len(boxes)) if is_object[position]]
    overlaps = plain_boxes.ious(candidates, boxes)
    matched, labels = [], []
    for number, candidate in enumerate(np.float64(candidates)):
        of_object = {position: overlaps[number, position] for position in objects}
        best = max(of_object.values(), default=0.0)
        owners = [position for position, value in of_object.items() if value == best > 0.0]
        matched.append(owners[0] if owners else None)
        if best >= high or (keep_best and _is_some_best(overlaps, number, objects)):
            labels.append(POSITIVE)
        elif best >= low or _lies_in_a_crowd(candidate, boxes, crowds):
            labels.append(IGNORED)
        else:
            labels.append(NEGATIVE)
    return matched, labels


def _is_some_best(overlaps, number, objects):
    return any(0.0 < overlaps[number, each] == overlaps[:, each].max() for each in objects)


def _lies_in_a_crowd(candidate, boxes, crowds):
    area = plain_boxes.area(candidate)
    return any(
        plain_boxes.intersection(candidate, box) >= _CROWDED * area
        for box, is_crowd in zip(boxes, crowds)
        if is_crowd and area > 0.0
    )


def _match(candidates, boxes, is_object=None, crowds=None, low=0.3, high=0.7, keep_best=False):
    """`matching.match` of one image, whose boxes are objects unless told."""
    count = len(boxes)
    is_object = [True] * count if is_object is None else is_object
    crowds = [False] * count if crowds is None else crowds
    matched, labels = matching.match(
        tf.constant(candidates, tf.float32),
        tf.constant([boxes], tf.float32),
        tf.constant([is_object]),
        tf.constant([crowds]),
        low,
        high,
        keep_best,
    )
    return matched[0].numpy(), labels[0].numpy()


# Of the 10 x 10 square at the origin: 1, 0.5, 0.25 and no overlap.
_SQUARE = [0.0, 0.0, 10.0, 10.0]
_CANDIDATES = [_SQUARE, [0, 0, 10, 5], [0, 0, 5, 5], [20, 20, 30, 30]]


class MatchTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        matched, labels = _match(_CANDIDATES, [[50, 50, 60, 60], _SQUARE])
        self.assertAllEqual(labels, [POSITIVE, IGNORED, NEGATIVE, NEGATIVE])
        self.assertAllEqual(matched[:3], [1, 1, 1])

    def test_thresholds_belong_to_what_is_above(self):
        _, labels = _match(_CANDIDATES, [_SQUARE], low=0.25, high=0.5)
        self.assertAllEqual(labels, [POSITIVE, POSITIVE, IGNORED, NEGATIVE])

    def test_the_best_of_each_object_is_positive_however_low(self):
        boxes = [_SQUARE, [22, 22, 60, 60], [80, 80, 90, 90]]
        _, labels = _match(_CANDIDATES[1:], boxes, keep_best=True)
        # Nothing overlaps the third object: its best of 0 makes nothing positive.
        self.assertAllEqual(labels, [POSITIVE, NEGATIVE, POSITIVE])

    def test_all_that_tie_for_the_best_are_positive(self):
        halves = [[0, 0, 10, 5], [0, 5, 10, 10], [0, 0, 5, 5]]
        _, labels = _match(halves, [_SQUARE], low=0.6, high=0.9, keep_best=True)
        self.assertAllEqual(labels, [POSITIVE, POSITIVE, NEGATIVE])

    def test_of_objects_that_tie_the_first_is_matched(self):
        matched, labels = _match([_SQUARE], [[50, 50, 60, 60], _SQUARE, _SQUARE])
        self.assertAllEqual((matched, labels), ([1], [POSITIVE]))

    def test_crowds_are_never_matched_and_excuse_what_lies_in_them(self):
        crowd = [0.0, 0.0, 100.0, 100.0]
        candidates = [*_CANDIDATES, [70, 0, 170, 100], [31, 0, 131, 100], [29, 0, 129, 100]]
        boxes = [crowd, _SQUARE]
        matched, labels = _match(candidates, boxes, [False, True], [True, False])
        expected = [POSITIVE, IGNORED, IGNORED, IGNORED, NEGATIVE, NEGATIVE, IGNORED]
        self.assertAllEqual(labels, expected)
        self.assertAllEqual(matched[:3], [1, 1, 1])

    @parameterized.parameters(False, True)
    def test_only_crowds_and_only_padding(self, keep_best):
        boxes, nothing = [[0, 0, 12, 12], [0, 0, 0, 0]], [False, False]
        _, labels = _match(_CANDIDATES, boxes, nothing, [True, False], keep_best=keep_best)
        self.assertAllEqual(labels, [IGNORED, IGNORED, IGNORED, NEGATIVE])
        _, labels = _match(_CANDIDATES, boxes, nothing, nothing, keep_best=keep_best)
        self.assertAllEqual(labels, [NEGATIVE] * 4)

    @parameterized.parameters(False, True)
    def test_objects_and_candidates_without_area(self, keep_best):
        flat = [3.0, 3.0, 3.0, 9.0]
        _, labels = _match([flat, _SQUARE], [flat], keep_best=keep_best)
        self.assertAllEqual(labels, [NEGATIVE, NEGATIVE])

    @parameterized.product(keep_best=(False, True), bounds=((0.3, 0.7), (0.5, 0.5)))
    def test_it_equals_numpy_on_three_images(self, keep_best, bounds):
        rng = np.random.default_rng(0)
        candidates = plain_boxes.random_boxes(rng, 3 * 60).reshape(3, 60, 4)
        boxes = np.stack([plain_boxes.random_boxes(rng, 8) for _ in range(3)])
        boxes[:, 0] = [10.0, 10.0, 70.0, 80.0]
        candidates[:, :8] = boxes + rng.uniform(-1.0, 1.0, boxes.shape)
        crowds = np.zeros([3, 8], bool)
        crowds[:2, 0] = True
        is_object = ~crowds & (rng.uniform(size=[3, 8]) < 0.8)
        rest = (boxes, is_object, crowds, *bounds, keep_best)
        found = matching.match(tf.constant(candidates), *rest)
        seen = set()
        for image, (matched, labels) in enumerate(zip(*map(np.array, found))):
            own = (boxes[image], is_object[image], crowds[image], *bounds, keep_best)
            expected_matched, expected_labels = _plain_match(candidates[image], *own)
            self.assertAllEqual(labels, expected_labels)
            for one, expected in zip(matched, expected_matched):
                self.assertIn(one, [expected] if expected is not None else range(8))
            seen |= set(expected_labels)
        self.assertEqual(seen, {POSITIVE, NEGATIVE, IGNORED})

    @parameterized.parameters(1, 3)
    def test_shared_candidates_in_a_graph_of_unknown_dimensions(self, batch):
        rng = np.random.default_rng(1)
        candidates = plain_boxes.random_boxes(rng, 40)
        boxes = np.stack([plain_boxes.random_boxes(rng, 5) for _ in range(batch)])
        flags = np.ones([batch, 5], bool), np.zeros([batch, 5], bool)
        graph = tf.function(
            lambda *args: matching.match(*args, 0.3, 0.7, keep_best=True),
            input_signature=[
                tf.TensorSpec([None, 4], tf.float32),
                tf.TensorSpec([None, None, 4], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
                tf.TensorSpec([None, None], tf.bool),
            ],
        )
        many = tf.repeat(candidates[None], batch, axis=0)
        eager = matching.match(many, boxes, *flags, 0.3, 0.7, keep_best=True)
        for found, expected in zip(graph(candidates, boxes, *flags), eager):
            self.assertEqual(found.dtype, tf.int32)
            self.assertAllEqual(found, expected)


if __name__ == "__main__":
    tf.test.main()
