"""The random distortion of ImageNet recipes: windows of any scale and shape, flip, colours."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.data.distortions import photometric as photometric_lib, windows as windows_lib


class ResizedCropDraws(NamedTuple):
    """What chance decided for the M views of an image.

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
      flip: whether images are mirrored at all.
      crop, photometric: their policies.
    """

    flip: bool = True
    crop: windows_lib.Windows = windows_lib.Windows()
    photometric: photometric_lib.Photometric = photometric_lib.Photometric()

    def draw(self, key: tf.Tensor, count: int) -> ResizedCropDraws:
        """Decides the distortions of `count` views of one image, by stateless random ops.

        View m depends on the key and m alone: not on how many there are.
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
        self, content: tf.Tensor, draws: ResizedCropDraws, height: int, width: int
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Views of one image, from one decode of the part of it that they show.

        Args:
          content: scalar string, the bytes of the image.
          draws: for M views.
          height, width: of the views, in pixels.

        Returns:
          (M images `[height, width, 3]` float32 in 0..255; `[M, 3, 3]`; `[M, 3]`): with the
          colours of view m in 0..1, a pixel x, as a column, becomes
          `matrix[m] @ x + added[m]`.

        Raises:
          tf.errors.InvalidArgumentError: as `decoding.rgb`.
        """

        def windows(*size):
            return self.crop.windows(draws.window, *size)

        pixels, boxes = decoding.parts(content, windows)
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
    # Not a slice that runs backwards, which takes ten times as long.
    return tf.cond(mirror, lambda: tf.reverse(part, [1]), lambda: part)


def _mean_colour(image: tf.Tensor) -> tf.Tensor:
    """`[3]` from `[H, W, 3]`: rows first, since sums over triples take twice as long."""
    height, width, _ = image.shape
    row = tf.reduce_mean(tf.reshape(image, [height, width * 3]), axis=0)
    return tf.reduce_mean(tf.reshape(row, [width, 3]), axis=0)
