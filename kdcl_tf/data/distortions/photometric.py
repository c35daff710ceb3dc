"""Photometric distortion: brightness, contrast, saturation and hue, and PCA lighting.

Each is linear in the colour of a pixel (contrast also in the image's mean colour). So all
of them, in any order, combine into one 3 x 3 matrix and one added colour, which are applied
in a single pass over the image.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import tensorflow as tf

# Luminance of red, green and blue (ITU-R BT.601).
GREY = (0.299, 0.587, 0.114)

# RGB to YIQ: hue is the angle in the plane of I and Q.
YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))

# Principal components of the colours of ImageNet's pixels in 0..1 (Krizhevsky et al., 2012):
# standard deviations along the axes, and the axes as columns.
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)

_ORDERS = np.array(list(itertools.permutations(range(4))), np.int32)


@dataclasses.dataclass(frozen=True)
class Photometric:
    """Photometric distortion; the attributes say how strong each part may be, 0 is off.

    With colours x in 0..1 and g the grey of x:
      brightness: x f, with f in 1 - brightness .. 1 + brightness;
      contrast: m + (x - m) f, with m the mean grey of the image at that point;
      saturation: g + (x - g) f;
      hue: rotated by up to `hue` of a full turn either way;
      lighting: the standard deviation of the share of each principal colour added.
    The first four are applied in a random order, lighting last. Nothing is clipped.

    Raises:
      ValueError: when a strength is negative.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    lighting: float = 0.1

    # How many numbers in 0..1, and how many normally distributed ones, an image needs.
    uniform_draws = 5
    normal_draws = 3

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value < 0:
                raise ValueError(f"{name}: expected 0 or more; got {value}")

    def colours(
        self, uniform: tf.Tensor, normal: tf.Tensor, mean: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The matrix and the added colour that distort each image.

        Args:
          uniform: `[M, 5]` float32 in 0..1: order, brightness, contrast, saturation, hue.
          normal: `[M, 3]` float32, standard normal.
          mean: `[M, 3]` float32, mean colour of each image, in 0..1.

        Returns:
          (`[M, 3, 3]`, `[M, 3]`): a pixel x, as a column, becomes `matrix @ x + added`.
        """
        steps, greys = self._steps(2.0 * uniform[:, 1:] - 1.0)
        position = tf.cast(uniform[:, 0] * len(_ORDERS), tf.int32)
        order = tf.gather(tf.constant(_ORDERS), position)
        steps = tf.gather(steps, order, batch_dims=1)
        greys = tf.gather(greys, order, batch_dims=1)
        matrix, added = tf.eye(3), tf.zeros_like(mean)
        for number in range(4):
            current = tf.linalg.matvec(matrix, mean) + added
            grey = tf.linalg.matvec(current[:, None], tf.constant(GREY))
            matrix = steps[:, number] @ matrix
            added = tf.linalg.matvec(steps[:, number], added) + greys[:, number, None] * grey
        return matrix, added + self._light(normal)

    def _steps(self, deviation):
        """(`[M, 4, 3, 3]` matrices, `[M, 4]` multiples of the mean grey to add)."""
        strengths = tf.constant([self.brightness, self.contrast, self.saturation])
        factor = (1.0 + strengths * deviation[:, :3])[..., None, None]
        identity, to_grey = tf.eye(3), tf.tile(tf.constant([GREY]), [3, 1])
        brightness, contrast = factor[:, 0] * identity, factor[:, 1] * identity
        saturation = to_grey + factor[:, 2] * (identity - to_grey)
        steps = [brightness, contrast, saturation, self._turn(deviation[:, 3])]
        nothing = tf.zeros_like(deviation[:, 0])
        greys = [nothing, 1.0 - factor[:, 1, 0, 0], nothing, nothing]
        return tf.stack(steps, axis=1), tf.stack(greys, axis=1)

    def _turn(self, deviation):
        """`[M, 3, 3]`: rotates hue, and keeps luminance and greys."""
        angle = (2.0 * np.pi * self.hue * deviation)[:, None, None]
        yiq, back = np.array(YIQ), np.linalg.inv(YIQ)
        # The rotation is a sum of three matrices, of which two depend on the angle.
        parts = np.stack([np.diag([1.0, 0, 0]), np.diag([0, 1.0, 1.0]), np.zeros([3, 3])])
        parts[2, 1, 2], parts[2, 2, 1] = -1.0, 1.0
        keep, cosine, sine = tf.unstack(tf.constant(back @ parts @ yiq, tf.float32))
        return keep + tf.cos(angle) * cosine + tf.sin(angle) * sine

    def _light(self, normal):
        axes = tf.constant(np.array(EIGENVECTORS) * np.array(EIGENVALUES), tf.float32)
        return tf.linalg.matvec(axes, self.lighting * normal)
