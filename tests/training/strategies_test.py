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


if __name__ == "__main__":
    tf.test.main()
