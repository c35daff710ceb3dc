"""Tests of held-out images and training subsets."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import subsets

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 20))


class HeldOutAndTrainTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((3, 7), (3, 0), (0, 7), (19, 1))
    def test_balanced_disjoint_and_sorted(self, holdout, train):
        held_out, trained = subsets.held_out_and_train(LABELS, 5, holdout, train)
        self.assertAllEqual(np.bincount(LABELS[held_out], minlength=5), [holdout] * 5)
        self.assertAllEqual(np.bincount(LABELS[trained]), [train or 17] * 5)
        self.assertEmpty(np.intersect1d(held_out, trained))
        for indices in (held_out, trained):
            self.assertAllEqual(indices, np.unique(indices))
            self.assertEqual(indices.dtype, np.int64)

    def test_nothing_held_out_takes_everything(self):
        held_out, train = subsets.held_out_and_train(LABELS, 5)
        self.assertEmpty(held_out)
        self.assertAllEqual(train, np.arange(100))

    def test_same_every_time(self):
        # The literal numbers hold the promise to results that were published.
        held_out, train = subsets.held_out_and_train(LABELS, 5, 1, 1)
        self.assertAllEqual(held_out, [0, 3, 18, 38, 85])
        self.assertAllEqual(train, [11, 20, 22, 72, 80])

    def test_larger_contains_smaller(self):
        _, small = subsets.held_out_and_train(LABELS, 5, 4, 3)
        _, large = subsets.held_out_and_train(LABELS, 5, 4, 9)
        _, rest = subsets.held_out_and_train(LABELS, 5, 4, 0)
        self.assertContainsSubset(small, large)
        self.assertContainsSubset(large, rest)

    def test_held_out_does_not_depend_on_what_is_trained_on(self):
        few, _ = subsets.held_out_and_train(LABELS, 5, 4, 3)
        many, _ = subsets.held_out_and_train(LABELS, 5, 4, 16)
        self.assertAllEqual(few, many)

    def test_classes_do_not_share_their_order(self):
        held_out, _ = subsets.held_out_and_train(np.repeat(np.arange(5), 20), 5, 6)
        places = np.sort(held_out.reshape(5, 6) % 20, axis=1)
        self.assertLen(np.unique(places, axis=0), 5)

    @parameterized.parameters((10, 11), (20, 0))
    def test_too_few_images_in_a_class(self, holdout, train):
        message = "class 'owl' has too few .*: expected at least 21 .*; got 20"
        with self.assertRaisesRegex(ValueError, message):
            subsets.held_out_and_train(LABELS, 5, holdout, train, ("owl", "b", "c", "d", "e"))
        with self.assertRaisesRegex(ValueError, "class '0'"):
            subsets.held_out_and_train(LABELS, 5, holdout, train)

    def test_negative_counts(self):
        with self.assertRaisesRegex(ValueError, "holdout_per_class: expected 0 or more; got -1"):
            subsets.held_out_and_train(LABELS, 5, -1)
        with self.assertRaisesRegex(ValueError, "train_per_class: expected 0 or more; got -2"):
            subsets.held_out_and_train(LABELS, 5, 0, -2)


if __name__ == "__main__":
    tf.test.main()
