"""The random distortion of ImageNet recipes: windows of random scale and shape, flip, colours."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.data.distortions import photometric as photometric_lib, windows as windows_lib
from kdcl_tf.data.formats.rules import ImageRules


class ResizedCropDraws(NamedTuple):
    """The random choices for the M views of an image.

    Attributes:
      window: `[M, Windows.draws]` float32 in 0..1.
      mirror: `[M]` bool.
      colour: `[M, Photometric.uniform_draws]` float32 in 0..1.
      light: `[M, Photometric.normal_draws]` float32, standard normal.
    """

    window: tf.Tensor
    mirror: tf.Tensor
    colour: tf.Tensor
    light: tf.Tensor


@dataclasses.dataclass(frozen=True)
class ResizedCrop:
    """Resized crop, mirror with p = 1/2, photometric distortion.

    Attributes:
      flip: whether views are mirrored at all.
      crop: how windows are chosen.
      photometric: how colours are distorted.
    """

    flip: bool = True
    crop: windows_lib.Windows = windows_lib.Windows()
    photometric: photometric_lib.Photometric = photometric_lib.Photometric()

    def draw(self, key: tf.Tensor, count: int) -> ResizedCropDraws:
        """Draws the random choices for `count` views of one image with stateless random ops.

        Those of view m depend only on the key and m, not on `count`.

        Args:
          key: `[2]` int64, the seed of the ops.
          count: number of views M.

        Returns:
          Draws for M views.
        """
        crop, colour = self.crop.draws, self.photometric.uniform_draws
        columns = [count, crop + 1 + colour]
        uniform = tf.random.stateless_uniform(columns, key, alg="philox")
        normal_key = tf.random.fold_in(key, tf.constant(0, tf.int64), alg="philox")
        normal = tf.random.stateless_normal(
            [count, self.photometric.normal_draws], normal_key, alg="philox"
        )
        mirror = (uniform[:, crop] < 0.5) & self.flip
        return ResizedCropDraws(uniform[:, :crop], mirror, uniform[:, crop + 1 :], normal)

    def views(
        self,
        content: tf.Tensor,
        draws: ResizedCropDraws,
        height: int,
        width: int,
        rules: ImageRules = ImageRules(),
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Views of one image, of which only the part that they show is decoded, once.

        Args:
          content: scalar string, the bytes of the image.
          draws: of M views.
          height, width: of the views, in pixels.
          rules: how large the image may be, and whether it is turned upright.

        Returns:
          (M images `[height, width, 3]` float32 in 0..255; matrix `[M, 3, 3]`; added
          `[M, 3]`). The colours are yet to be distorted: in 0..1, a pixel x of view m, as a
          column, becomes `matrix[m] @ x + added[m]`.

        Raises:
          tf.errors.InvalidArgumentError: as `decoding.rgb`.
        """

        def windows(*size):
            return self.crop.windows(draws.window, *size)

        pixels, boxes = decoding.parts(content, windows, rules)
        parts = [
            _part(pixels, boxes[view], draws.mirror[view]) for view in range(draws.mirror.shape[0])
        ]
        images = [windows_lib.resize(part, height, width) for part in parts]
        mean = tf.stack([_mean_colour(image) for image in images]) / 255.0
        return images, *self.photometric.colours(draws.colour, draws.light, mean)


def _part(pixels: tf.Tensor, box: tf.Tensor, mirror: tf.Tensor) -> tf.Tensor:
    """A window of an image, mirrored or not."""
    top, left, height, width = tf.unstack(box)
    part = pixels[top : top + height, left : left + width]
    # A slice with a negative step would take ten times as long.
    return tf.cond(mirror, lambda: tf.reverse(part, [1]), lambda: part)


def _mean_colour(image: tf.Tensor) -> tf.Tensor:
    """`[3]` from `[H, W, 3]`: by rows first, since sums over triples take twice as long."""
    height, width, _ = image.shape
    row = tf.reduce_mean(tf.reshape(image, [height, width * 3]), axis=0)
    return tf.reduce_mean(tf.reshape(row, [width, 3]), axis=0)
