"""A model whose logits are the mean of each channel times a variable, for tests of formats."""

import numpy as np
import tensorflow as tf

SHAPE = (4, 6, 3)
FACTORS = np.array([1.0, 2.0, 0.5], np.float32)


def function():
    """A function of pixels, which holds a variable."""
    factors = tf.Variable(FACTORS)
    return lambda pixels: tf.reduce_mean(pixels, axis=[1, 2]) * factors


def logits(images):
    """`[N, 3]` from `[N, 4, 6, 3]` uint8."""
    return images.mean(axis=(1, 2)) / 255.0 * FACTORS


def images(count):
    """`[count, 4, 6, 3]` uint8."""
    return np.random.default_rng(0).integers(0, 256, [count, *SHAPE]).astype(np.uint8)
