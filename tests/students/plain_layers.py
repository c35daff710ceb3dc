"""Layers written out in TensorFlow's own operations, with the weights of a student."""

import numpy as np
import tensorflow as tf


def move_statistics(model, seed=0):
    """Gives batch norms statistics, scales and offsets unlike those of fresh layers."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        if len(variable.shape) == 1 and "logits" not in variable.path:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))


def images(model, seed=1, count=2):
    """Normal noise of the student's size, `[count, H, W, C]` float32."""
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class PlainLayers:
    """PyTorch's arithmetic: every padding explicit, size // 2 on each side."""

    def __init__(self, model):
        self._model = model

    def convolution(self, x, name, stride=1):
        kernel = self._model.get_layer(name).kernel.value
        border = kernel.shape[0] // 2
        x = tf.pad(x, [[0, 0], [border, border], [border, border], [0, 0]])
        return tf.nn.conv2d(x, kernel, stride, "VALID")

    def depthwise(self, x, name, stride):
        kernel = self._model.get_layer(name).kernel.value
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "VALID")

    def norm(self, x, name):
        scale, offset, mean, variance = self._model.get_layer(name).get_weights()
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset

    def max_pool(self, x):
        lowest = x.dtype.min
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=lowest)
        return tf.nn.max_pool2d(x, 3, 2, "VALID")

    def logits(self, x):
        kernel, bias = self._model.get_layer("logits").get_weights()
        return tf.reduce_mean(x, axis=[1, 2]) @ kernel + bias
