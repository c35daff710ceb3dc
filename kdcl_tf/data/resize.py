"""Resizing whole images to a square."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def square(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes bilinearly to size x size; the aspect ratio is not kept.

    Antialiased: without it, shrinking a photograph to 32 pixels would read a few
    of its pixels and ignore all others. When enlarging it changes nothing.

    Args:
      images: `[H, W, C]` or `[N, H, W, C]`, values in 0..255.
      size: pixels.

    Returns:
      uint8, `[size, size, C]` or `[N, size, size, C]`, rounded to the nearest.
    """
    resized = tf.image.resize(images, [size, size], antialias=True)
    # The cast of 255.00002 to uint8 would wrap round to 0.
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def to_uint8(images: np.ndarray, size: int) -> np.ndarray:
    """`square`, as a NumPy array, on the host's processor."""
    with tf.device("CPU:0"):
        return square(tf.convert_to_tensor(images), size).numpy()
