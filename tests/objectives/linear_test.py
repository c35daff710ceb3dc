"""Tests of KDCL-Linear: the weights of Eq. 5 and their duality gap, in float64 NumPy."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from numpy_targets import as_probabilities, cross_entropy, random_logits, softmax

from kdcl_tf.objectives import targets


class LinearWeightsTest(tf.test.TestCase, parameterized.TestCase):
    def _gap(self, logits, dense):
        return self._gaps(logits, dense).max()

    def _gaps(self, logits, dense):
        """The duality gap of Eq. 5 of each example, in float64."""
        logits = np.asarray(logits, np.float32).astype(np.float64)
        weights = targets.linear_weights(logits, dense).numpy().astype(np.float64)
        residual = softmax(np.einsum("bm,mbc->bc", weights, logits)) - dense
        gradient = np.einsum("mbc,bc->bm", logits, residual)
        return (weights * gradient).sum(-1) - gradient.min(-1)

    @parameterized.product(students=(2, 3, 4, 5), classes=(2, 10, 100, 1000), soft=(False, True))
    def test_random_logits_of_scale_1_to_10(self, students, classes, soft):
        logits, labels = random_logits(students, examples=12, classes=classes, scale=1.0, soft=soft)
        logits = np.concatenate([scale * logits for scale in (1.0, 3.0, 10.0)], axis=1)
        dense = np.tile(as_probabilities(labels, classes), [3, 1])
        self.assertLess(self._gap(logits, dense), 1e-3)

    @parameterized.parameters(2, 3, 4, 8)
    def test_the_stated_gap_up_to_spans_of_500(self, students):
        rng = np.random.default_rng(students)
        kinds = [
            rng.normal(size=[students, 30, 10]),
            rng.standard_t(3.0, size=[students, 30, 10]),
            rng.choice([-1.0, 1.0], size=[students, 30, 10]),
        ]
        copies = rng.integers((students + 1) // 2, size=students)
        kinds += [kind[copies] for kind in kinds]
        kinds += [kind + 1e-3 * rng.normal(size=kind.shape) for kind in kinds[3:]]
        logits = np.concatenate([s * k for k in kinds for s in (10.0, 60.0, 100.0, 200.0)], 1)
        labels = rng.integers(10, size=logits.shape[1])
        of_label = np.take_along_axis(logits, np.tile(labels, [students, 1])[..., None], -1)
        span = np.ptp(logits - of_label, axis=(0, 2))
        is_within = span <= 500
        self.assertGreater((is_within & (span > 300)).sum(), 50)
        gaps = self._gaps(logits[:, is_within], np.eye(10)[labels[is_within]])
        self.assertAllLess(gaps / np.maximum(1e-3, 1e-7 * span[is_within] ** 2), 1.0)

    @parameterized.product(students=(2, 3, 5), scale=(1.0, 3.0, 10.0))
    def test_students_that_hardly_differ(self, students, scale):
        logits, labels = random_logits(1, scale=scale)
        logits = np.repeat(logits, students, axis=0)
        noise = 1e-3 * np.random.default_rng(1).normal(size=logits.shape)
        for each in (logits, logits + noise):
            self.assertLess(self._gap(each, np.eye(6)[labels]), 1e-3)

    @parameterized.product(scale=(1.0, 3.0, 10.0), order=(1, -1))
    def test_one_sure_and_right_beside_one_sure_and_wrong(self, scale, order):
        labels = np.arange(10)
        right, wrong = scale * np.eye(10), scale * np.eye(10)[::-1]
        logits = np.stack([right, wrong, 0.1 * right][::order])
        weights = targets.linear_weights(logits, labels).numpy()[:, ::order]
        self.assertLess(self._gap(logits, np.eye(10)), 1e-3)
        self.assertAllClose(weights[:, 0], np.ones(10), atol=1e-2)

    def test_linear_takes_the_middle_of_two_opposites(self):
        logits = np.array([[[0.0, 2.0, -2.0]], [[0.0, -2.0, 2.0]]])
        self.assertAllClose(targets.linear_weights(logits, [0]), [[0.5, 0.5]], atol=1e-4)
        self.assertAllClose(targets.linear(logits, [0]), np.full([1, 3], 1 / 3), atol=1e-3)

    @parameterized.parameters(*itertools.permutations(range(3)))
    def test_the_order_of_students_orders_the_weights(self, *order):
        order = list(order)
        logits, labels = random_logits()
        weights = targets.linear_weights(logits, labels).numpy()
        moved = targets.linear_weights(logits[order], labels)
        self.assertAllClose(moved, weights[:, order], atol=2e-3)

    def test_linear_is_no_worse_than_naive_on_huge_logits(self):
        logits, labels = random_logits(3, examples=100, scale=1e5)
        weights = targets.linear_weights(logits, labels).numpy().astype(np.float64)
        dense = np.eye(6)[labels]
        found = cross_entropy(dense, np.einsum("bm,mbc->bc", weights, logits))
        naive = cross_entropy(dense, logits).min(0)
        self.assertTrue(np.all(found <= naive + 1e-6 * np.abs(logits).max()))

    def test_linear_falls_back_to_the_best_student_where_mixtures_fail(self):
        # Infinities break every mixture, and no student alone.
        logits = np.array([[[9.0, 0.0, -np.inf]], [[-9.0, 0.0, 0.0]]])
        self.assertAllEqual(targets.linear_weights(logits, [0]), [[1.0, 0.0]])


if __name__ == "__main__":
    tf.test.main()
