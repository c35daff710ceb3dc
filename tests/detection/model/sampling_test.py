"""Tests of kdcl_tf.detection.model.sampling."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import sampling
from kdcl_tf.detection.model.matching import IGNORED, NEGATIVE, POSITIVE


def _labels(positives, negatives, ignored, seed=0):
    labels = [POSITIVE] * positives + [NEGATIVE] * negatives + [IGNORED] * ignored
    return np.random.default_rng(seed).permutation(np.int32(labels))


def _keys(*numbers):
    return tf.constant([[7, number] for number in numbers], tf.int64)


def _drawn(labels, number, count=8, fraction=0.25):
    """Positions and labels of what is drawn of one image."""
    indices, chosen = sampling.sample(labels[None], _keys(number), count, fraction)
    positions = indices[0].numpy()[chosen[0].numpy()]
    return positions, labels[positions]


@tf.function
def _sample_often(labels, draws, count, fraction):
    labels = tf.repeat(labels[None], draws, axis=0)
    return sampling.sample(labels, _keys(*range(draws)), count, fraction)


class SampleTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        # What there is, then what is drawn of 8 at a quarter.
        (10, 20, 5, 2, 6),
        (1, 20, 5, 1, 7),
        (0, 20, 5, 0, 8),
        (10, 3, 5, 2, 3),
        (10, 0, 5, 2, 0),
        (1, 1, 0, 1, 1),
        (0, 0, 9, 0, 0),
    )
    def test_how_many_are_drawn(self, positives, negatives, ignored, expected, rest):
        labels = _labels(positives, negatives, ignored)
        for number in range(5):
            positions, drawn = _drawn(labels, number)
            self.assertLen(set(positions), expected + rest)
            self.assertAllEqual(drawn, [POSITIVE] * expected + [NEGATIVE] * rest)

    def test_what_is_not_chosen_is_at_the_end_with_index_0(self):
        indices, chosen = sampling.sample(_labels(3, 2, 4)[None], _keys(0), 8, 0.25)
        self.assertAllEqual(chosen, [[True] * 4 + [False] * 4])
        self.assertAllEqual(indices[0, 4:], [0] * 4)
        self.assertEqual((indices.dtype, indices.shape), (tf.int32, [1, 8]))

    def test_the_key_decides(self):
        labels = _labels(40, 400, 20)
        first, _ = _drawn(labels, 1)
        self.assertAllEqual(first, _drawn(labels, 1)[0])
        self.assertNotAllEqual(first, _drawn(labels, 2)[0])

    def test_an_image_is_drawn_from_whatever_is_beside_it(self):
        labels = np.stack([_labels(40, 400, 20, seed) for seed in range(3)])
        indices, chosen = sampling.sample(labels, _keys(4, 5, 6), 16, 0.5)
        for number in range(3):
            alone = sampling.sample(labels[number : number + 1], _keys(4 + number), 16, 0.5)
            self.assertAllEqual(alone[0][0], indices[number])
            self.assertAllEqual(alone[1][0], chosen[number])

    def test_every_candidate_is_as_likely_as_its_equals(self):
        labels, draws = _labels(6, 18, 3), 600
        indices, chosen = _sample_often(labels, draws, 8, 0.25)
        counts = np.bincount(indices.numpy()[chosen.numpy()], minlength=len(labels))
        # 2 of 6 and 6 of 18: each is drawn 200 times, with a deviation of 11.5.
        self.assertAllInRange(counts[labels != IGNORED], 200 - 60, 200 + 60)
        self.assertAllEqual(counts[labels == IGNORED], [0, 0, 0])

    def test_who_is_drawn_with_whom_is_free(self):
        # Of two positives of four, each of the six pairs has one chance in six.
        labels, draws = _labels(4, 0, 0), 600
        indices, _ = _sample_often(labels, draws, 2, 1.0)
        pairs = np.sort(indices.numpy(), axis=1) @ [4, 1]
        _, counts = np.unique(pairs, return_counts=True)
        self.assertLen(counts, 6)
        self.assertAllInRange(counts, 100 - 50, 100 + 50)

    def test_fractions_of_none_and_of_all(self):
        labels = _labels(10, 20, 0)
        self.assertAllEqual(_drawn(labels, 0, fraction=0.0)[1], [NEGATIVE] * 8)
        self.assertAllEqual(_drawn(labels, 0, fraction=1.0)[1], [POSITIVE] * 8)

    @parameterized.parameters((1, 5), (3, 300))
    def test_a_graph_of_unknown_dimensions(self, batch, candidates):
        labels = np.stack([_labels(2, candidates - 3, 1, seed) for seed in range(batch)])
        graph = tf.function(
            lambda labels, keys: sampling.sample(labels, keys, 16, 0.5),
            input_signature=[
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None, 2], tf.int64),
            ],
        )
        keys = _keys(*range(batch))
        indices, chosen = graph(labels, keys)
        expected = sampling.sample(labels, keys, 16, 0.5)
        self.assertAllEqual(indices, expected[0])
        self.assertAllEqual(chosen, expected[1])
        self.assertEqual(graph.get_concrete_function().output_shapes[0].as_list(), [None, 16])


if __name__ == "__main__":
    tf.test.main()
