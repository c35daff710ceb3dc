"""The random distortion of CIFAR recipes: pad, crop, flip, Cutout."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from kdcl_tf.data.distortions import undistorted


class PaddedCropDraws(NamedTuple):
    """The random choices for each image; every field is `[N]`.

    Attributes:
      top: int32 in 0..2*padding, first row of the crop in the padded image.
      left: int32 in 0..2*padding, first column of it.
      mirror: bool, whether the crop is mirrored left to right.
      hole_row: int32 in 0..H-1, centre of the Cutout square in the crop.
      hole_column: int32 in 0..W-1.
    """

    top: tf.Tensor
    left: tf.Tensor
    mirror: tf.Tensor
    hole_row: tf.Tensor
    hole_column: tf.Tensor


@dataclasses.dataclass(frozen=True)
class PaddedCrop(undistorted.Undistorted):
    """Pad, random crop back to size, mirror with p = 1/2, Cutout.

    Padding and Cutout fill with zeros *after* normalisation, that is with the
    mean colour of the training set, or of the images that a student's weights were
    trained on, where it has their normalisation. So did He et al. (2016), who subtract the
    mean and then pad; recipes built on torchvision pad with black before they
    normalise, and the Wide ResNet paper pads by reflection. Zero is what a
    convolution's own padding adds, so the two borders look alike to a student.

    Attributes:
      padding: pixels added on each side before the crop.
      flip: whether crops are mirrored at all.
      cutout: side of the square of DeVries & Taylor (2017), in pixels, clipped
        at the border; 0 is none. Its authors use 16 for CIFAR-10 and 8 for CIFAR-100.

    Raises:
      ValueError: when `padding` or `cutout` is negative.
    """

    padding: int = 4
    cutout: int = 0

    def __post_init__(self):
        for name in ("padding", "cutout"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more pixels; got {getattr(self, name)}")

    def check(self, height: int, width: int) -> None:
        """Raises ValueError when the Cutout square is larger than images of this size."""
        if self.cutout > min(height, width):
            raise ValueError(
                f"cutout: expected at most {min(height, width)}, the side of the image; got"
                f" {self.cutout}"
            )

    def draw(self, key: tf.Tensor, count: int, height: int, width: int) -> PaddedCropDraws:
        """Draws the random choices for every image with a stateless random op.

        Row n depends only on the key and n: neither on `count` nor on which options are
        on.

        Args:
          key: `[2]` int64, the seed of the op.
          count: number of images N.
          height, width: of the images, in pixels.

        Returns:
          Draws for N images.
        """
        uniform = tf.random.stateless_uniform([count, 5], key, alg="philox")
        offsets = 2 * self.padding + 1

        def below(column: int, bound: int) -> tf.Tensor:
            return tf.cast(uniform[:, column] * bound, tf.int32)

        return PaddedCropDraws(
            top=below(0, offsets),
            left=below(1, offsets),
            mirror=(uniform[:, 2] < 0.5) & self.flip,
            hole_row=below(3, height),
            hole_column=below(4, width),
        )

    def apply(self, images: tf.Tensor, draws: PaddedCropDraws) -> tf.Tensor:
        """Distorts a batch.

        One gather moves every pixel of the batch and one mask blanks the border and the
        hole, without a padded copy or a loop over examples.

        Args:
          images: `[B, H, W, C]` float32, normalised.
          draws: the rows of `draw` for these B images.

        Returns:
          `[B, H, W, C]` float32.
        """
        _, height, width, channels = images.shape
        row = draws.top[:, None] + tf.range(height) - self.padding
        column = draws.left[:, None] + tf.range(width) - self.padding
        column = tf.where(draws.mirror[:, None], column[:, ::-1], column)
        keep = _outer(_inside(row, height), _inside(column, width))
        if self.cutout:
            keep &= ~_outer(
                self._hole(draws.hole_row, height),
                self._hole(draws.hole_column, width),
            )
        # Pixels outside read their nearest neighbour and are blanked by the mask.
        row = tf.clip_by_value(row, 0, height - 1)
        column = tf.clip_by_value(column, 0, width - 1)
        position = row[:, :, None] * width + column[:, None, :]
        pixels = tf.reshape(images, [-1, height * width, channels])
        moved = tf.gather(pixels, position, batch_dims=1)
        return moved * tf.cast(keep, images.dtype)[..., None]

    def _hole(self, centre: tf.Tensor, size: int) -> tf.Tensor:
        """`[B, size]` bool: positions that the square covers along one axis."""
        offset = tf.range(size) - centre[:, None] + self.cutout // 2
        return _inside(offset, self.cutout)


def _inside(position: tf.Tensor, size: int) -> tf.Tensor:
    return (position >= 0) & (position < size)


def _outer(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """`[B, H]` and `[B, W]` to `[B, H, W]`: true where both are."""
    return rows[:, :, None] & columns[:, None, :]
