"""Tests of kdcl_tf.data.order: what streams of views share; `views_test` has more of it."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data import order as order_lib
from tests import cifar_like


class Indices(order_lib.Epochs):
    """Views that are the images' indices."""

    def _batches(self, order, batch_size, epoch, share):
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)


class EpochsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.epochs = Indices(cifar_like.cifar_like(), seed=3)

    def test_an_epoch_is_its_order_and_a_skip_its_tail(self):
        order = self.epochs.order(1)
        self.assertAllEqual(np.sort(order), np.arange(200))
        self.assertAllEqual(np.concatenate(list(self.epochs.epoch(1, 64))), order)
        self.assertAllEqual(np.concatenate(list(self.epochs.epoch(1, 64, skip=2))), order[128:])

    def test_the_order_of_a_seed_is_forever(self):
        """Checkpoints of older versions continue with it."""
        self.assertAllEqual(self.epochs.order(1)[:8], [16, 49, 167, 25, 176, 79, 114, 121])

    def test_the_base_has_no_views(self):
        with self.assertRaisesRegex(TypeError, "Epochs must override _batches"):
            order_lib.Epochs(cifar_like.cifar_like(), 0).epoch(0, 10)

    def test_refused(self):
        with self.assertRaisesRegex(ValueError, "seed: expected 0 or more; got -1"):
            Indices(cifar_like.cifar_like(), -1)
        with self.assertRaisesRegex(ValueError, "batch_size: expected 1..200, .*; got 201"):
            self.epochs.steps_per_epoch(201)

    def test_fold_in_tells_numbers_and_keys_apart(self):
        keys = [tf.constant([seed, 0], tf.int64) for seed in range(3)]
        found = {tuple(order_lib.fold_in(key, n).numpy()) for key in keys for n in range(3)}
        self.assertLen(found, 9)


if __name__ == "__main__":
    tf.test.main()
