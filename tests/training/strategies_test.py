"""Tests of kdcl_tf.training.strategies."""

import tensorflow as tf

from kdcl_tf.training import strategies


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

    def test_a_batch_with_fewer_images_than_cpus_is_refused(self):
        if tf.config.list_logical_devices("GPU"):
            self.skipTest("GPUs take an empty batch")
        mirrored = strategies.create("mirrored")
        with self.assertRaisesRegex(ValueError, "leaves 1 of 40 images .* the 2 devices"):
            strategies.check_batches(mirrored, images=40, batch_size=13)
        strategies.check_batches(mirrored, images=40, batch_size=12)
        strategies.check_batches(mirrored, images=39, batch_size=13)
        strategies.check_batches(strategies.create("one"), images=40, batch_size=13)

    def test_a_batch_with_fewer_images_than_parts_is_refused(self):
        if tf.config.list_logical_devices("GPU"):
            self.skipTest("GPUs take an empty batch")
        one, mirrored = strategies.create("one"), strategies.create("mirrored")
        strategies.check_batches(one, images=40, batch_size=18, accumulation_steps=4)
        strategies.check_batches(mirrored, images=40, batch_size=16, accumulation_steps=4)
        with self.assertRaisesRegex(ValueError, "leaves 1 of 40 .* than the 2 parts of --acc"):
            strategies.check_batches(one, images=40, batch_size=13, accumulation_steps=2)
        with self.assertRaisesRegex(ValueError, "the 4 parts .* on each of 2 devices: pass"):
            strategies.check_batches(mirrored, images=40, batch_size=18, accumulation_steps=4)

    def test_evaluation_leaves_no_replica_without_images(self):
        mirrored = strategies.create("mirrored")
        self.assertEqual(strategies.evaluation_batch(mirrored, images=512), 256)
        self.assertEqual(strategies.evaluation_batch(mirrored, images=10_000), 256)
        self.assertEqual(strategies.evaluation_batch(mirrored, images=257), 255)
        self.assertEqual(strategies.evaluation_batch(strategies.create("one"), images=257), 256)


if __name__ == "__main__":
    tf.test.main()
