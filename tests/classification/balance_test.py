"""Tests of balanced accuracy."""

import numpy as np
from absl.testing import absltest
from sklearn import metrics

from kdcl_tf.classification import balance


class BalanceTest(absltest.TestCase):
    def test_known_numbers(self):
        counts = [[4, 2, 0], [1, 2, 0], [4, 0, 0]]
        found = balance.accuracies(np.array(counts), ["a", "b"])
        self.assertEqual(found, {"a_balanced_accuracy": 0.625, "b_balanced_accuracy": 0.5})

    def test_it_is_scikit_learns(self):
        rng = np.random.default_rng(0)
        labels, predicted = rng.integers(0, 5, 200) // 2, rng.integers(0, 3, 200)
        counts = [
            np.bincount(labels, minlength=3),
            np.bincount(labels[labels == predicted], minlength=3),
        ]
        found = balance.accuracies(np.array(counts), ["a"])
        self.assertAlmostEqual(
            found["a_balanced_accuracy"], metrics.balanced_accuracy_score(labels, predicted)
        )

    def test_without_images_it_is_0(self):
        self.assertEqual(balance.accuracies(np.zeros([2, 3]), ["a"]), {"a_balanced_accuracy": 0.0})

    def test_classes_differ_in_size_if_those_that_have_images_do(self):
        self.assertTrue(balance.differ(np.array([0, 0, 1]), 2))
        self.assertFalse(balance.differ(np.array([0, 0, 2, 2]), 4))
        self.assertFalse(balance.differ(np.array([], np.int64), 2))


if __name__ == "__main__":
    absltest.main()
