"""Tests of kdcl_tf.students.normalization on one device."""

import unittest

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.students.normalization import FusedBatchNormalization

_SHAPE = (6, 5, 4, 3)


def _batch(shape=_SHAPE, mean=3.0, seed=0):
    values = np.random.default_rng(seed).normal(size=shape, loc=mean, scale=2.0)
    return tf.constant(values, tf.float32)


def _pair(shape=_SHAPE, **config):
    """Our layer and the stock one, with the same random weights."""
    layers = [FusedBatchNormalization(**config), keras.layers.BatchNormalization(**config)]
    for layer in layers:
        layer.build((None, *shape[1:]))
        rng = np.random.default_rng(1)
        layer.set_weights([rng.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return layers


def _differentiate(layer, inputs, training):
    """Outputs, and gradients for the inputs and the trainable weights."""
    variables = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        # Weighted squares: the plain sum of a normalised batch has no gradient.
        # Not random ones: XLA draws other numbers from the same seed.
        weights = tf.cos(tf.cast(tf.range(tf.size(outputs)), tf.float32))
        weights = tf.reshape(weights, tf.shape(outputs))
        loss = tf.reduce_sum(weights * tf.square(tf.cast(outputs, tf.float32)))
    return outputs, tape.gradient(loss, [inputs, *variables])


def _operations(layer, inputs):
    """Types of the TensorFlow operations that a training call runs."""
    function = tf.function(lambda x: layer(x, training=True))
    graph = function.get_concrete_function(inputs).graph
    return {operation.type for operation in graph.get_operations()}


class KnownNumbersTest(tf.test.TestCase):
    def test_training(self):
        layer = FusedBatchNormalization(momentum=0.9, epsilon=0.0)
        outputs = layer(tf.reshape([1.0, 3.0, 5.0, 7.0], [2, 1, 2, 1]), training=True)
        self.assertAllClose(tf.reshape(outputs, [-1]), np.array([-3, -1, 1, 3]) / 5**0.5)
        self.assertAllClose(layer.moving_mean, [0.4])
        self.assertAllClose(layer.moving_variance, [0.9 + 0.1 * 5.0])  # Unbiased, it is 20 / 3.

    def test_inference(self):
        layer = FusedBatchNormalization(epsilon=1.0)
        layer.build((None, 1, 1, 1))
        gamma, beta, mean, variance = np.array([[2.0], [10.0], [4.0], [8.0]])
        layer.set_weights([gamma, beta, mean, variance])
        self.assertAllClose(layer(tf.fill([1, 1, 1, 1], 7.0)), [[[[2 * (7 - 4) / 3 + 10]]]])
        self.assertAllClose(layer.moving_mean, [4.0])

    def test_one_element_a_channel(self):
        layer = FusedBatchNormalization(momentum=0.9)
        outputs, gradients = _differentiate(layer, tf.fill([1, 1, 1, 2], 5.0), training=True)
        self.assertAllClose(outputs, tf.zeros([1, 1, 1, 2]))
        self.assertAllClose(gradients[0], tf.zeros([1, 1, 1, 2]))
        self.assertAllClose(layer.moving_mean, [0.5, 0.5])
        self.assertAllClose(layer.moving_variance, [0.9, 0.9])


class LikeStockTest(tf.test.TestCase, parameterized.TestCase):
    """The layer gives what keras.layers.BatchNormalization gives."""

    def assert_alike(self, layer, stock, inputs, training, tolerance=1e-4):
        ours, our_gradients = _differentiate(layer, inputs, training)
        theirs, their_gradients = _differentiate(stock, inputs, training)
        self.assertEqual(ours.dtype, theirs.dtype)
        self.assertAllClose(ours, theirs, rtol=tolerance, atol=tolerance)
        self.assertEqual(len(our_gradients), len(their_gradients))
        for our, their in zip(our_gradients, their_gradients, strict=True):
            self.assertAllClose(our, their, rtol=tolerance, atol=tolerance)
        for our, their in zip(layer.weights, stock.weights, strict=True):
            self.assertAllClose(our, their, rtol=tolerance, atol=tolerance)

    @parameterized.product(
        scale=[True, False], center=[True, False], training=[True, False], epsilon=[1e-3, 1e-5]
    )
    def test_options(self, training, **config):
        self.assert_alike(*_pair(**config), _batch(), training)

    @parameterized.parameters(1e-3, 1e-5, 1e-8, 0.0)
    def test_epsilon_has_no_lower_bound(self, epsilon):
        self.assert_alike(*_pair(epsilon=epsilon), _batch(), training=True)
        small = _batch(mean=0.0) * 1e-3  # Variance 4e-6: an epsilon of 1e-5 would show.
        self.assert_alike(*_pair(epsilon=epsilon), small, True, tolerance=1e-3)

    @parameterized.parameters(True, False)
    def test_frozen_layer_infers(self, training):
        layer, stock = _pair()
        layer.trainable = stock.trainable = False
        before = layer.get_weights()
        self.assert_alike(layer, stock, _batch(), training)
        self.assertAllEqual(layer.get_weights(), before)
        self.assertAllEqual(layer(_batch(), training=True), layer(_batch(), training=False))

    def test_many_steps(self):
        layer, stock = _pair(momentum=0.9)
        for seed in range(5):
            for each in (layer, stock):
                each(_batch(mean=seed, seed=seed), training=True)
        self.assertAllClose(layer.moving_mean, stock.moving_mean, rtol=1e-5)
        self.assertAllClose(layer.moving_variance, stock.moving_variance, rtol=1e-5)

    @parameterized.product(
        shape_and_axis=[((6, 3), -1), ((6, 4, 3), -1), ((6, 4, 5, 3), 1), ((2, 3, 4, 5, 3), -1)],
        training=[True, False],
    )
    def test_other_ranks_and_axes(self, shape_and_axis, training):
        shape, axis = shape_and_axis
        layer, stock = _pair(shape, axis=axis)
        self.assert_alike(layer, stock, _batch(shape), training)
        self.assertNotIn("FusedBatchNormV3", _operations(layer, _batch(shape)))

    @parameterized.parameters(-1, 3)
    def test_last_axis_of_rank_four_uses_the_kernel(self, axis):
        layer, stock = _pair(axis=axis)
        self.assert_alike(layer, stock, _batch(), training=True)
        self.assertIn("FusedBatchNormV3", _operations(layer, _batch()))
        self.assertNotIn("FusedBatchNormV3", _operations(stock, _batch()))

    def test_mask(self):
        mask = tf.constant(np.random.default_rng(2).random(_SHAPE[:-1]) < 0.5)
        layer, stock = _pair()
        ours, theirs = (each(_batch(), training=True, mask=mask) for each in (layer, stock))
        self.assertAllEqual(ours, theirs)
        self.assertAllEqual(layer.moving_mean, stock.moving_mean)

    @unittest.skipUnless(
        hasattr(keras.layers.BatchNormalization(), "renorm"), "Keras has no renorm"
    )
    def test_renorm(self):
        layers = [
            kind(renorm=True, renorm_clipping={"rmax": 1.5})
            for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
        ]
        ours, theirs = (each(_batch(), training=True) for each in layers)
        self.assertAllEqual(ours, theirs)

    def test_float64_keeps_its_digits(self):
        layer, stock = _pair(dtype="float64")
        inputs = tf.cast(_batch(), tf.float64)
        outputs = layer(inputs, training=True)
        self.assertEqual(outputs.dtype, tf.float64)
        self.assertAllEqual(outputs, stock(inputs, training=True))

    @parameterized.product(
        policy=["mixed_bfloat16", "mixed_float16", "bfloat16"], training=[True, False]
    )
    def test_half_precision(self, policy, training):
        layer, _ = _pair(dtype=policy)
        _, reference = _pair()
        reference.set_weights(layer.get_weights())
        inputs = tf.cast(_batch(), layer.compute_dtype)
        ours, our_gradients = _differentiate(layer, inputs, training)
        theirs, their_gradients = _differentiate(reference, tf.cast(inputs, tf.float32), training)
        self.assertEqual(ours.dtype, layer.compute_dtype)
        self.assertAllClose(tf.cast(ours, tf.float32), theirs, rtol=0.01, atol=0.01)
        for our, their in zip(our_gradients, their_gradients, strict=True):
            scale = float(tf.reduce_max(tf.abs(their)))
            self.assertAllClose(tf.cast(our, tf.float32) / scale, their / scale, atol=0.02)
        # The statistics are computed in float32 from the rounded inputs.
        tolerance = 1e-4 if policy.startswith("mixed") else 0.01
        for our, their in zip(layer.weights, reference.weights, strict=True):
            self.assertAllClose(tf.cast(our.value, tf.float32), their, rtol=tolerance)

    def test_large_mean(self):
        """Two passes: the variance of 1000 ± 2 keeps its digits."""
        layer = FusedBatchNormalization(momentum=0.0)
        inputs = _batch(mean=1000.0)
        layer(inputs, training=True)
        variance = np.var(np.asarray(inputs, np.float64), axis=(0, 1, 2))
        self.assertAllClose(layer.moving_variance, variance, rtol=1e-4)


class EmptyBatchTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(how=["eager", "graph", "xla"], training=[True, False])
    def test_statistics_stay_and_gradients_are_zero(self, how, training):
        layer, _ = _pair()
        before = layer.get_weights()
        run = {
            "eager": _differentiate,
            "graph": tf.function(_differentiate),
            "xla": tf.function(_differentiate, jit_compile=True),
        }[how]
        outputs, gradients = run(layer, tf.zeros([0, *_SHAPE[1:]]), training)
        self.assertEqual(outputs.shape, (0, *_SHAPE[1:]))
        self.assertAllEqual(layer.get_weights(), before)
        for gradient in gradients[1:]:
            self.assertAllEqual(gradient, tf.zeros([3]))

    def test_the_next_batch_counts(self):
        layer, other = _pair()[0], _pair()[0]
        layer(tf.zeros([0, *_SHAPE[1:]]), training=True)
        for each in (layer, other):
            each(_batch(), training=True)
        self.assertAllEqual(layer.get_weights(), other.get_weights())


class GraphTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(jit_compile=[False, True], dtype=["float32", "mixed_bfloat16"])
    def test_compiled_is_eager(self, jit_compile, dtype):
        eager, compiled = _pair(dtype=dtype)[0], _pair(dtype=dtype)[0]
        inputs = tf.cast(_batch(), eager.compute_dtype)
        wanted, wanted_gradients = _differentiate(eager, inputs, True)
        run = tf.function(_differentiate, jit_compile=jit_compile)
        outputs, gradients = run(compiled, inputs, True)
        tolerance = 1e-4 if dtype == "float32" else 0.02
        for a, b in zip([outputs, *gradients], [wanted, *wanted_gradients], strict=True):
            a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
            scale = float(tf.reduce_max(tf.abs(b)))
            self.assertAllClose(a / scale, b / scale, atol=tolerance)
        self.assertAllClose(compiled.moving_mean, eager.moving_mean, rtol=1e-5)
        self.assertAllClose(compiled.moving_variance, eager.moving_variance, rtol=1e-5)

    def test_unknown_batch_and_image_size(self):
        layer, stock = _pair()
        spec = tf.TensorSpec([None, None, None, 3])
        run = tf.function(lambda x: layer(x, training=True), input_signature=[spec])
        for size in (2, 7):
            inputs = _batch((size, size, 3, 3))
            self.assertAllClose(run(inputs), stock(inputs, training=True), atol=1e-5)
        self.assertAllClose(layer.moving_variance, stock.moving_variance, rtol=1e-5)

    def test_stateless_call(self):
        layer, stock = _pair()
        results = [
            each.stateless_call(
                each.trainable_variables, each.non_trainable_variables, _batch(), training=True
            )
            for each in (layer, stock)
        ]
        self.assertAllClose(*results, atol=1e-5)
        self.assertAllEqual(layer.moving_mean, _pair()[0].moving_mean)


if __name__ == "__main__":
    tf.test.main()
