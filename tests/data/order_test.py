"""Tests of kdcl_tf.data.order: what streams of views share; `views_test` has more of it."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data import order as order_lib
from tests import cifar_like


class Indices(order_lib.Epochs):
    """Views that are the images' indices."""

    def _batches(self, order, batch_size, epoch):
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)


class EpochsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.epochs = Indices(cifar_like.cifar_like(), ("a", "b"), seed=3)

    def test_an_epoch_is_its_order_and_a_skip_its_tail(self):
        order = self.epochs.order(1)
        self.assertAllEqual(np.sort(order), np.arange(200))
        self.assertAllEqual(np.concatenate(list(self.epochs.epoch(1, 64))), order)
        self.assertAllEqual(np.concatenate(list(self.epochs.epoch(1, 64, skip=2))), order[128:])

    def test_the_parts_of_all_workers_are_the_batches(self):
        for workers, batch_size, skip in ((2, 64, 0), (3, 64, 1), (4, 50, 2), (3, 200, 0)):
            whole = list(self.epochs.epoch(1, batch_size, skip))
            parts = [
                list(self.epochs.epoch(1, batch_size, skip, share=(worker, workers)))
                for worker in range(workers)
            ]
            self.assertEqual({len(each) for each in parts}, {len(whole)})
            for batch, shared in zip(whole, zip(*parts)):
                self.assertAllEqual(np.concatenate(shared), batch)

    def test_a_step_that_a_worker_has_no_image_of(self):
        self.assertEmpty(list(self.epochs.epoch(1, 64, 4, share=(1, 2))))
        message = "batch_size: got 66, which leaves 2 images for the last step.*each of 3 workers"
        with self.assertRaisesRegex(ValueError, message):
            self.epochs.epoch(1, 66, share=(0, 3))

    def test_the_order_of_a_seed_is_forever(self):
        """Checkpoints of older versions continue with it."""
        self.assertAllEqual(self.epochs.order(1)[:8], [16, 49, 167, 25, 176, 79, 114, 121])

    def test_the_base_has_no_views(self):
        with self.assertRaisesRegex(TypeError, "Epochs must override _batches"):
            order_lib.Epochs(cifar_like.cifar_like(), ("a",), 0).epoch(0, 10)

    def test_fold_in_tells_numbers_and_keys_apart(self):
        keys = [tf.constant([seed, 0], tf.int64) for seed in range(3)]
        found = {tuple(order_lib.fold_in(key, n).numpy()) for key in keys for n in range(3)}
        self.assertLen(found, 9)


if __name__ == "__main__":
    tf.test.main()
