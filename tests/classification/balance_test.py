"""Tests of balanced accuracy."""

import numpy as np
from absl.testing import absltest
from sklearn import metrics

from kdcl_tf.classification import balance
from kdcl_tf.data.dataset import ImageSplit


class ClassWeightsTest(absltest.TestCase):
    def test_classes_count_equally_among_the_images_that_can_be_decoded(self):
        labels = np.array([0, 0, 0, 0, 1, 1, 3])
        good = np.array([True, False, True, False, True, True, True])
        pixels = np.zeros([7, 2, 2, 1], np.uint8)
        whole, holes = (ImageSplit(pixels, labels, good=each) for each in (None, good))
        found = balance.class_weights(holes, 4, skips_bad=True)
        self.assertEqual(found.dtype, np.float32)
        counted = np.bincount(labels[good], minlength=4) * found
        np.testing.assert_allclose(counted[[0, 1, 3]], counted.sum() / 3, rtol=1e-6)
        np.testing.assert_allclose(counted.sum(), good.sum(), rtol=1e-6)
        self.assertEqual(found[2], 0)
        every = balance.class_weights(whole, 4, skips_bad=True)
        np.testing.assert_array_equal(every, balance.class_weights(whole, 4, skips_bad=False))
        np.testing.assert_allclose((np.bincount(labels) * every)[[0, 1, 3]], 7 / 3, rtol=1e-6)


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
