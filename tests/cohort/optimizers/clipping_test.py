"""Tests of kdcl_tf.cohort.optimizers.clipping."""

import functools
import unittest

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.cohort.optimizers.clipping import clip_sum_of_replicas, clips
from tests.small_cohort import CohortTestCase, compiled_graph, make_data, make_students

# Images of a step of which one replica gets 8 and the other 9.
_EXAMPLES = 17


@functools.cache
def _strategy():
    # One for the whole run: a second one in a process can abort.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _in_parts(**clipping):
    """Kernels by an optimizer that clips, and the rest by one that does not."""
    kernels = keras.optimizers.SGD(0.5, **clipping)
    names = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1), {".*kernel": kernels})
    return keras.optimizers.MultiOptimizer(names)


def _scaled(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)


class OptimizerTest(tf.test.TestCase, parameterized.TestCase):
    def _applied(self, optimizer, parts):
        """What of a weight [0, 0] is left by an optimizer that gets these parts of a gradient."""
        strategy = _strategy()
        with strategy.scope():
            weight = keras.Variable([0.0, 0.0])
            optimizer = optimizer()
            clip_sum_of_replicas(optimizer)
            # Again, as a second `compile` does.
            clip_sum_of_replicas(optimizer)
            optimizer.build([weight])
        scaled = strategy.experimental_distribute_values_from_function(
            lambda context: optimizer.scale_loss(
                tf.constant(parts[context.replica_id_in_sync_group])
            )
        )
        step = tf.function(lambda part: optimizer.apply([part], [weight]))
        strategy.run(step, args=(scaled,))
        return weight.numpy()

    @parameterized.product(
        clipping=({"clipnorm": 4.5}, {"global_clipnorm": 4.5}, {"clipvalue": 3.6}),
        scale=(False, True),
    )
    def test_the_sum_of_all_replicas_is_clipped(self, clipping, scale):
        """Parts (3, 0) and (0, 4): none has a norm of 4.5, their sum has 5."""
        optimizer = lambda: keras.optimizers.SGD(1.0, **clipping)  # noqa: E731
        wanted = [-3.0, -3.6] if "clipvalue" in clipping else [-2.7, -3.6]
        found = self._applied(
            lambda: _scaled(optimizer()) if scale else optimizer(), [[3.0, 0.0], [0.0, 4.0]]
        )
        self.assertAllClose(found, wanted)

    def test_parts_that_cancel_are_not_clipped(self):
        optimizer = lambda: keras.optimizers.SGD(1.0, clipvalue=2.0)  # noqa: E731
        self.assertAllClose(self._applied(optimizer, [[9.0, 1.0], [-8.0, 0.5]]), [-1.0, -1.5])

    def test_which_optimizers_clip(self):
        self.assertFalse(clips(keras.optimizers.SGD()))
        self.assertTrue(clips(keras.optimizers.SGD(clipvalue=1.0)))
        self.assertTrue(clips(_scaled(keras.optimizers.Adam(global_clipnorm=1.0))))


class CohortTest(CohortTestCase):
    def _trained(self, strategy, dtype, parts=False, **clipping):
        with strategy.scope():
            optimizer = keras.optimizers.SGD(0.5, momentum=0.9, **clipping)
            if parts:
                optimizer = {name: _in_parts(**clipping) for name in make_students()}
            students = make_students(dtype=dtype)
            cohort = compiled_graph(students=students, optimizer=optimizer)
        batch = tf.data.Dataset.from_tensor_slices(make_data(_EXAMPLES)).batch(_EXAMPLES)
        cohort.fit(batch.repeat(2), verbose=0)
        return cohort

    @parameterized.parameters(
        (None, {"clipnorm": 0.05}, 1e-6),
        (None, {"global_clipnorm": 0.1}, 1e-6),
        (None, {"clipvalue": 0.01}, 1e-6),
        ("mixed_float16", {"global_clipnorm": 0.1}, 1e-3),
    )
    def test_two_replicas_train_as_one_device(self, dtype, clipping, atol):
        single = self._trained(tf.distribute.get_strategy(), dtype, **clipping)
        double = self._trained(_strategy(), dtype, **clipping)
        self.assert_same_weights(double, single, atol)

    @unittest.skipUnless(hasattr(keras.optimizers, "MultiOptimizer"), "Keras has none yet")
    def test_each_part_of_a_multi_optimizer_clips_the_sum(self):
        single = self._trained(tf.distribute.get_strategy(), None, parts=True, clipnorm=0.05)
        double = self._trained(_strategy(), None, parts=True, clipnorm=0.05)
        self.assert_same_weights(double, single, 1e-6)


if __name__ == "__main__":
    tf.test.main()
