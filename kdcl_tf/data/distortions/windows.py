"""Random windows of an image: scale and aspect-ratio augmentation (Szegedy et al., 2015)."""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

_TRIES = 10


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of random area and shape, to be resized to one size.

    Ten windows are drawn, and the first that fits into the image is taken. When none
    fits, it is the largest central window whose aspect ratio is allowed.

    Attributes:
      area: smallest and largest share of the image's area.
      aspect_ratio: smallest and largest width over height; its logarithm is drawn uniformly.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect_ratio: tuple[float, float] = (3 / 4, 4 / 3)

    # How many numbers in 0..1 a window needs.
    draws = 2 * _TRIES + 2

    def windows(self, uniform: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """The windows that random numbers stand for, in an image of this size.

        Args:
          uniform: `[M, draws]` float32 in 0..1.
          height, width: scalar int32, in pixels.

        Returns:
          `[M, 4]` int32: top, left, height and width of each window, inside the image.
        """
        high, wide = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        sides = self._tries(uniform[:, :_TRIES], uniform[:, _TRIES : 2 * _TRIES], high * wide)
        fits = tf.reduce_all((sides >= 1.0) & (sides <= tf.stack([high, wide])), axis=-1)
        first = tf.argmax(tf.cast(fits, tf.int32), axis=1)
        chosen = tf.gather(sides, first, batch_dims=1)
        some = tf.reduce_any(fits, axis=1)
        sides = tf.where(some[:, None], chosen, self._largest(high, wide))
        room = tf.stack([high, wide]) - sides
        # All possible corners are equally likely; a draw is never 1.0.
        corner = tf.where(
            some[:, None], tf.floor(uniform[:, 2 * _TRIES :] * (room + 1.0)), tf.floor(room / 2.0)
        )
        return tf.cast(tf.concat([tf.minimum(corner, room), sides], axis=1), tf.int32)

    def _tries(self, area, ratio, pixels):
        """`[M, 10, 2]`: whole heights and widths, which may exceed the image."""
        least, greatest = self.area
        area = (least + (greatest - least) * area) * pixels
        low, top = map(math.log, self.aspect_ratio)
        ratio = tf.exp(low + (top - low) * ratio)
        return tf.round(tf.stack([tf.sqrt(area / ratio), tf.sqrt(area * ratio)], axis=-1))

    def _largest(self, high, wide):
        """`[2]`: height and width of the largest window whose aspect ratio is allowed."""
        low, top = self.aspect_ratio
        height = tf.maximum(tf.minimum(high, tf.round(wide / low)), 1.0)
        width = tf.maximum(tf.minimum(wide, tf.round(high * top)), 1.0)
        return tf.stack([height, width])


def resize(window: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes a window bilinearly; the aspect ratio is not kept.

    Antialiased only when a side shrinks to less than half. Otherwise interpolation
    between four pixels leaves none out, and antialiasing would take four times as long.

    Args:
      window: `[H, W, C]`.
      height, width: pixels.

    Returns:
      float32 `[height, width, C]`.
    """
    shrinks = tf.reduce_any(tf.shape(window)[:2] > [2 * height, 2 * width])
    return tf.cond(
        shrinks,
        lambda: tf.image.resize(window, [height, width], antialias=True),
        lambda: tf.image.resize(window, [height, width]),
    )
