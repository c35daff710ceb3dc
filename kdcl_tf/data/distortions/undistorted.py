"""No distortion: the base class of the distortions of whole images."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Undistorted:
    """Leaves whole images as they are. Its subclasses override `draw` and `apply`.

    Attributes:
      flip: whether images are mirrored at all; here they are not.
    """

    flip: bool = True

    def check(self, height: int, width: int) -> None:
        """Raises ValueError when images of this size cannot be distorted."""

    def draw(self, key: tf.Tensor, count: int, height: int, width: int) -> Any:
        """Draws the random choices for every image with a stateless random op.

        Args:
          key: `[2]` int64, the seed of the op.
          count: number of images N.
          height, width: of the images, in pixels.

        Returns:
          Nest of tensors `[N, ...]`; row n depends only on the key and n.
        """
        del key, count, height, width
        return ()

    def apply(self, images: tf.Tensor, draws: Any) -> tf.Tensor:
        """Distorts a batch.

        Args:
          images: `[B, H, W, C]` float32, normalised.
          draws: the rows of `draw` for these B images.

        Returns:
          `[B, H, W, C]` float32.
        """
        del draws
        return images
