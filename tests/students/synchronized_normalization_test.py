"""Tests of kdcl_tf.students.normalization on two replicas."""

import functools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.students.normalization import FusedBatchNormalization

_PIXELS = (4, 4, 3)


@functools.cache
def _strategy():
    # One for all tests: a second one in a process can abort.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _loss(outputs, weights):
    return tf.reduce_sum(weights * tf.square(tf.cast(outputs, weights.dtype)))


def _gradients(layer, inputs, weights):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = _loss(layer(inputs, training=True), weights)
    return tape.gradient(loss, [inputs, layer.gamma.value, layer.beta.value])


def _split(values, sizes):
    """The first rows to the first replica, the rest to the second."""
    parts = np.split(values, [sizes[0]])
    return _strategy().experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )


def _on_two_replicas(layer, sizes, inputs, weights):
    """Gradients for all inputs together, for gamma and for beta, summed over replicas."""
    step = tf.function(lambda x, w: _gradients(layer, x, w))
    results = _strategy().run(step, args=(_split(inputs, sizes), _split(weights, sizes)))
    local = [_strategy().experimental_local_results(result) for result in results]
    return [np.concatenate(local[0]), sum(local[1]).numpy(), sum(local[2]).numpy()]


def _data(count, mean=0.0):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(count, *_PIXELS), loc=mean).astype("float32")
    return inputs, rng.normal(size=inputs.shape).astype("float32")


def _layer(synchronized=True, dtype="float32"):
    with _strategy().scope():
        layer = FusedBatchNormalization(momentum=0.9, synchronized=synchronized, dtype=dtype)
        layer.build((None, *_PIXELS))
    return layer


class SynchronizedNormalizationTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        if len(tf.config.list_logical_devices("CPU")) < 2:
            self.skipTest("needs 2 logical CPU devices, set before TensorFlow's first operation")

    def _assert_like_one_device(self, layer, sizes, mean, tolerance, statistics):
        """Compares with the stock layer on the whole batch in float64."""
        inputs, weights = _data(sum(sizes), mean)
        inputs = np.array(tf.cast(tf.cast(inputs, layer.compute_dtype), tf.float32))
        whole = keras.layers.BatchNormalization(momentum=0.9, dtype="float64")
        whole.build((None, *_PIXELS))
        wanted = _gradients(
            whole, tf.constant(inputs, tf.float64), tf.constant(weights, tf.float64)
        )
        found = _on_two_replicas(layer, sizes, inputs, weights)
        for gradient, reference in zip(found, wanted, strict=True):
            scale = float(tf.reduce_max(tf.abs(reference)))
            self.assertAllClose(gradient / scale, reference / scale, rtol=0, atol=tolerance)
        self.assertAllClose(layer.moving_mean, whole.moving_mean, rtol=statistics, atol=statistics)
        self.assertAllClose(layer.moving_variance, whole.moving_variance, rtol=statistics)

    @parameterized.product(sizes=[(9, 8), (8, 8), (16, 1), (17, 0), (0, 17)], mean=[0.0, 5.0])
    def test_uneven_and_empty_replicas(self, sizes, mean):
        self._assert_like_one_device(_layer(), sizes, mean, tolerance=1e-5, statistics=1e-6)

    def test_eager_replicas_agree_with_those_of_a_graph(self):
        self.addCleanup(tf.config.run_functions_eagerly, False)
        found = []
        for run_eagerly in (False, True):
            tf.config.run_functions_eagerly(run_eagerly)
            found.append(_on_two_replicas(_layer(), (3, 2), *_data(5)))
        for graph, eager in zip(*found, strict=True):
            self.assertAllClose(graph, eager, rtol=1e-5, atol=1e-5)

    def test_large_mean(self):
        # E[x²] - E[x]² would be off by half a percent in the gradients here.
        self._assert_like_one_device(_layer(), (9, 8), 100.0, tolerance=1e-4, statistics=1e-6)

    @parameterized.parameters(((9, 8),), ((17, 0),))
    def test_bfloat16(self, sizes):
        layer = _layer(dtype="mixed_bfloat16")
        self._assert_like_one_device(layer, sizes, 1.0, tolerance=0.02, statistics=1e-5)

    def test_all_replicas_empty(self):
        layer = _layer()
        layer.moving_mean.assign([1.0, 2.0, 3.0])
        gradients = _on_two_replicas(layer, (0, 0), *_data(0))
        self.assertAllEqual(gradients[1], np.zeros(3))
        self.assertAllEqual(gradients[2], np.zeros(3))
        self.assertAllEqual(layer.moving_mean, [1.0, 2.0, 3.0])
        self.assertAllEqual(layer.moving_variance, [1.0, 1.0, 1.0])

    def test_statistics_are_the_same_on_every_replica(self):
        layer = _layer()
        _on_two_replicas(layer, (9, 8), *_data(17, 5.0))
        first, second = _strategy().experimental_local_results(layer.moving_mean.value)
        self.assertAllEqual(first, second)

    def test_not_synchronized_each_replica_moves_its_own(self):
        layer = _layer(synchronized=False)
        inputs, weights = _data(17, 5.0)
        _on_two_replicas(layer, (9, 8), inputs, weights)
        parts = _strategy().experimental_local_results(layer.moving_mean.value)
        for part, rows in zip(parts, (inputs[:9], inputs[9:]), strict=True):
            self.assertAllClose(part, 0.1 * rows.mean((0, 1, 2)), rtol=1e-5)
        self.assertAllEqual(layer.moving_mean, parts[0])

    def test_not_synchronized_an_empty_replica_stays(self):
        layer = _layer(synchronized=False)
        gradients = _on_two_replicas(layer, (17, 0), *_data(17, 5.0))
        self.assertAllEqual(np.isfinite(gradients[1]), [True] * 3)
        parts = _strategy().experimental_local_results(layer.moving_variance.value)
        self.assertAllEqual(parts[1], tf.ones([3]))
        self.assertNotAllClose(parts[0], tf.ones([3]), atol=1e-4)

    def test_inference_is_the_kernel(self):
        layer = _layer()
        inputs, _ = _data(17)
        run = tf.function(lambda x: layer(x, training=False))
        outputs = _strategy().run(run, args=(_split(inputs, (9, 8)),))
        outputs = np.concatenate(_strategy().experimental_local_results(outputs))
        self.assertAllClose(outputs, layer(inputs), atol=1e-6)

    def test_one_replica_uses_the_kernel(self):
        layer = FusedBatchNormalization(synchronized=True)
        layer.build((None, *_PIXELS))
        function = tf.function(lambda x: layer(x, training=True))
        graph = function.get_concrete_function(tf.zeros([2, *_PIXELS])).graph
        self.assertIn("FusedBatchNormV3", {o.type for o in graph.get_operations()})

    def test_mask_is_left_to_the_parent(self):
        layer = FusedBatchNormalization(synchronized=True)
        stock = keras.layers.BatchNormalization(synchronized=True)
        inputs, _ = _data(5)
        mask = np.arange(5)[:, None, None] < np.full([5, 4, 4], 3)
        ours, theirs = (each(inputs, training=True, mask=mask) for each in (layer, stock))
        self.assertAllEqual(ours, theirs)


if __name__ == "__main__":
    tf.test.main()
