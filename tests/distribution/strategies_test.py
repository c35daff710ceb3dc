"""Tests of kdcl_tf.distribution.strategies."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data import stream
from kdcl_tf.distribution import strategies


class StrategiesTest(tf.test.TestCase):
    def test_one_is_the_strategy_of_one_replica(self):
        self.assertEqual(strategies.create("one").num_replicas_in_sync, 1)

    def test_mirrored_takes_every_logical_device(self):
        strategy = strategies.create("mirrored")
        self.assertIsInstance(strategy, tf.distribute.MirroredStrategy)
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        self.assertEqual(strategy.num_replicas_in_sync, len(devices))

    def test_over_cpus_it_reduces_to_one_device(self):
        if tf.config.list_logical_devices("GPU"):
            self.skipTest("over GPUs the default reduction is taken")
        strategy = strategies.create("mirrored")
        self.assertIsInstance(
            strategy.extended._cross_device_ops, tf.distribute.ReductionToOneDevice
        )

    def test_every_replica_gets_its_part_of_every_batch(self):
        mirrored = strategies.create("mirrored")
        order = np.arange(20, dtype=np.int64)

        def batches(share):
            return stream.batches(order, 7, lambda i: i, share)

        distributed = strategies.distribute(mirrored, batches)
        found = [mirrored.experimental_local_results(batch) for batch in distributed]
        sizes = [[len(part) for part in batch] for batch in found]
        self.assertAllEqual(sizes, [[3, 4], [3, 4], [3, 3]])
        self.assertAllEqual([i for batch in found for part in batch for i in part], order)
        one = strategies.distribute(strategies.create("one"), batches)
        self.assertAllEqual([len(batch) for batch in one], [7, 7, 6])

    def test_no_tpu_is_one_line(self):
        message = "^strategy=tpu expected a TPU at tpu=nowhere; got none:"
        with self.assertRaisesRegex(ValueError, message):
            strategies.create("tpu", tpu="nowhere")

    def test_a_batch_with_fewer_images_than_cpus_is_refused(self):
        mirrored = strategies.create("mirrored")
        with self.assertRaisesRegex(ValueError, "leaves 1 of 40 images .* each of 2 devices"):
            strategies.check_batches(mirrored, images=40, batch_size=13)
        strategies.check_batches(mirrored, images=40, batch_size=12)
        strategies.check_batches(mirrored, images=39, batch_size=13)
        strategies.check_batches(strategies.create("one"), images=40, batch_size=13)

    def test_a_batch_with_fewer_images_than_parts_is_refused(self):
        one, mirrored = strategies.create("one"), strategies.create("mirrored")
        strategies.check_batches(one, images=40, batch_size=18, least=4)
        strategies.check_batches(mirrored, images=40, batch_size=16, least=4)
        with self.assertRaisesRegex(ValueError, "1 of 40 .* the parts of accumulation_steps=2:"):
            strategies.check_batches(one, images=40, batch_size=13, least=2)
        with self.assertRaisesRegex(
            ValueError, "accumulation_steps=4 on each of 2 devices: choose"
        ):
            strategies.check_batches(mirrored, images=40, batch_size=18, least=4)

    def test_fewer_images_than_cpus_are_refused(self):
        mirrored = strategies.create("mirrored")
        with self.assertRaisesRegex(ValueError, "at least 2 test images, .*; got 1: take"):
            strategies.check_split(mirrored, "test", 1)
        for images in (0, 2):
            strategies.check_split(mirrored, "test", images)

    def test_evaluation_leaves_no_replica_without_images(self):
        mirrored = strategies.create("mirrored")
        self.assertEqual(strategies.evaluation_batch(mirrored, images=512), 256)
        self.assertEqual(strategies.evaluation_batch(mirrored, images=10_000), 256)
        self.assertEqual(strategies.evaluation_batch(mirrored, images=257), 255)
        self.assertEqual(strategies.evaluation_batch(strategies.create("one"), images=257), 256)
        # 13 is 1 more than a multiple of 4, 3 and 2; 5 + 5 + 3.
        self.assertEqual(strategies.evaluation_batch(mirrored, images=13, largest=4), 5)


if __name__ == "__main__":
    tf.test.main()
