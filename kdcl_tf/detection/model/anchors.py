"""Anchors: the boxes that proposals start from, a few at every position of every level."""

from __future__ import annotations

from collections.abc import Sequence

import keras_cv
import tensorflow as tf

RATIOS = (0.5, 1.0, 2.0)
# 32 pixels at stride 4, up to 512 at stride 64.
SCALE = 8.0


class Anchors:
    """The anchors of a pyramid, for images of any size.

    Args:
      strides: of the levels, in rising order.
      scale: the side of a level's square anchor, in its strides.
      ratios: width over height of the K anchors at each position, which have one area.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.1; a scale a level as in Lin et al.,
    "Feature Pyramid Networks", CVPR 2017, section 4.1.
    """

    def __init__(
        self, strides: Sequence[int], scale: float = SCALE, ratios: Sequence[float] = RATIOS
    ):
        self.strides, self.count = tuple(strides), len(ratios)
        # keras-cv needs the size of the image in advance; the anchors around its first position
        # do not depend on it, and `level` shifts them to all others.
        self._around_first = {
            stride: keras_cv.layers.AnchorGenerator(
                "xyxy", sizes=[scale * stride], scales=[1.0], aspect_ratios=ratios, strides=[stride]
            )(image_shape=(stride, stride, 3))[0].numpy()
            for stride in self.strides
        }

    def level(self, stride: int, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """The anchors of one level.

        Args:
          stride: one of `strides`.
          height, width: of the level's features, ints or scalar tensors.

        Returns:
          `[height * width * K, 4]` in pixels of the image, by row, column and ratio.
        """
        rows = tf.cast(tf.range(height) * stride, tf.float32)
        columns = tf.cast(tf.range(width) * stride, tf.float32)
        rows, columns = tf.meshgrid(rows, columns, indexing="ij")
        shifts = tf.stack([columns, rows, columns, rows], axis=-1)
        return tf.reshape(shifts[:, :, None, :] + self._around_first[stride], [-1, 4])
