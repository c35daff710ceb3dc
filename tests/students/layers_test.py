"""Tests of kdcl_tf.students.layers."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.students.layers import Layers
from kdcl_tf.students.normalization import FusedBatchNormalization


def _layer(outputs):
    """The layer that made a symbolic tensor."""
    return outputs._keras_history.operation


class LayersTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((3, 1, 9, 9), (3, 2, 9, 5), (3, 2, 8, 4), (1, 2, 8, 4), (1, 2, 7, 4))
    def test_convolution_shape(self, size, strides, before, after):
        x = keras.Input((before, before, 3))
        y = Layers().convolution(x, 5, size, strides, "conv")
        self.assertEqual(y.shape, (None, after, after, 5))
        self.assertIsNone(_layer(y).bias)
        self.assertIsNone(_layer(y).kernel_regularizer)
        self.assertEqual(_layer(y).name, "conv")

    @parameterized.parameters((0, [[0, 0], [0, 5]]), (1, [[0, 2], [8, 10]]))
    def test_stride_two_is_centred_on_the_pixels_that_a_shortcut_takes(self, tap, wanted):
        x = keras.Input((4, 4, 1))
        model = keras.Model(x, Layers().convolution(x, 1, 3, 2, "conv"))
        kernel = np.zeros([3, 3, 1, 1])
        kernel[tap, tap] = 1
        model.get_layer("conv").set_weights([kernel])
        image = np.arange(16.0).reshape([1, 4, 4, 1])
        self.assertAllEqual(model(image)[0, :, :, 0], wanted)
        shortcut = keras.Model(x, Layers().convolution(x, 1, 1, 2, "shortcut"))
        shortcut.get_layer("shortcut").set_weights([np.ones([1, 1, 1, 1])])
        self.assertAllEqual(shortcut(image)[0, :, :, 0], [[0, 2], [8, 10]])

    @parameterized.product(size=(1, 3, 7), strides=(1, 2), before=(8, 9))
    def test_convolution_pads_half_the_size_on_every_side(self, size, strides, before):
        x = keras.Input((before, before, 2))
        model = keras.Model(x, Layers().convolution(x, 3, size, strides, "conv"))
        layer = model.get_layer("conv")
        self.assertIsNone(layer.bias)
        images = np.random.default_rng(0).normal(size=[2, before, before, 2]).astype("float32")
        border = [size // 2, size // 2]
        padded = np.pad(images, [[0, 0], border, border, [0, 0]])
        wanted = tf.nn.conv2d(padded, layer.kernel.value, strides, "VALID")
        self.assertAllClose(model(images), wanted, atol=1e-5)

    @parameterized.product(strides=(1, 2), before=(8, 9))
    def test_depthwise_filters_every_channel_by_itself(self, strides, before):
        x = keras.Input((before, before, 2))
        model = keras.Model(x, Layers().depthwise(x, strides, "depthwise"))
        kernel = model.get_layer("depthwise").kernel
        self.assertEqual(kernel.shape, (3, 3, 2, 1))
        images = np.random.default_rng(0).normal(size=[2, before, before, 2]).astype("float32")
        padded = np.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
        for channel in range(2):
            wanted = tf.nn.conv2d(
                padded[..., channel : channel + 1], kernel[:, :, channel, None], strides, "VALID"
            )
            found = model(images)[..., channel : channel + 1]
            self.assertAllClose(found, wanted, atol=1e-5)

    def test_initial_depthwise_kernels_have_pytorchs_fan_out_and_differ(self):
        x = keras.Input((8, 8, 512))
        first, second = (_layer(Layers().depthwise(x, 1, name)).kernel.numpy() for name in "ab")
        self.assertAllClose(first.std(), (2 / (9 * 512)) ** 0.5, rtol=0.05)
        self.assertGreater(abs(first - second).max(), first.std())

    def test_max_pool_is_centred(self):
        x = keras.Input((4, 4, 1))
        model = keras.Model(x, Layers().max_pool(x, "pool"))
        image = np.arange(16.0).reshape([1, 4, 4, 1])
        self.assertAllEqual(model(image)[0, :, :, 0], [[5, 7], [13, 15]])
        odd = keras.Input((7, 7, 1))
        self.assertEqual(Layers().max_pool(odd, "pool").shape, (None, 4, 4, 1))

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_relu6(self, policy):
        x = keras.Input((1, 1, 4))
        model = keras.Model(x, Layers(dtype=policy).relu6(x, "relu"))
        values = np.array([-1.0, 0.5, 6.0, 7.0]).reshape([1, 1, 1, 4])
        self.assertAllEqual(tf.reshape(model(values), [4]), [0.0, 0.5, 6.0, 6.0])

    def test_initial_kernels_are_he_normal_by_fan_out_and_differ(self):
        x = keras.Input((8, 8, 64))
        first, second = (
            _layer(Layers().convolution(x, 128, 3, 1, name)).kernel.numpy() for name in "ab"
        )
        deviation = (2 / (9 * 128)) ** 0.5
        self.assertAllClose(first.std(), deviation, rtol=0.02)
        self.assertAllClose(first.mean(), 0.0, atol=deviation / 50)
        self.assertGreater(abs(first).max(), 3 * deviation)  # A truncated normal ends at 2.
        self.assertGreater(abs(first - second).max(), deviation)

    @parameterized.parameters(False, True)
    def test_batch_norm(self, synchronized):
        y = Layers(synchronized=synchronized).batch_norm(keras.Input((8, 8, 4)), "norm")
        layer = _layer(y)
        self.assertIsInstance(layer, FusedBatchNormalization)
        self.assertEqual((layer.momentum, layer.epsilon), (0.9, 1e-5))
        self.assertEqual(layer.synchronized, synchronized)

    @parameterized.parameters("float32", "bfloat16", "mixed_bfloat16", "mixed_float16")
    def test_logits_are_float32_under_any_policy(self, policy):
        x = keras.Input((8, 8, 4))
        layers = Layers(dtype=policy)
        features = layers.relu(layers.convolution(x, 6, 3, 1, "conv"), "relu")
        self.assertEqual(features.dtype, keras.DTypePolicy(policy).compute_dtype)
        logits = layers.logits(features, 3, "branch1_")
        self.assertEqual((logits.shape, logits.dtype), ((None, 3), "float32"))
        self.assertEqual(_layer(logits).name, "branch1_logits")

    def test_logits_average_over_the_image(self):
        x = keras.Input((2, 2, 3))
        model = keras.Model(x, Layers().logits(x, 2))
        kernel, bias = model.get_layer("logits").get_weights()
        images = np.random.default_rng(0).normal(size=[4, 2, 2, 3]).astype("float32")
        self.assertAllClose(model(images), images.mean((1, 2)) @ kernel + bias, atol=1e-6)


if __name__ == "__main__":
    tf.test.main()
