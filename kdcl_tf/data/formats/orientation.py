"""EXIF orientation in a graph: images turned upright, and where a part of them is stored.

An upright image is the stored one, transposed if the orientation is 5 or more, then perhaps
with its rows and its columns in reverse. That is what `PIL.ImageOps.exif_transpose` does.
"""

from __future__ import annotations

import tensorflow as tf

# By orientation, 1 to 8; 0 is none.
_ROWS_REVERSED = (False, False, False, True, True, False, False, True, True)
_COLUMNS_REVERSED = (False, False, True, True, False, False, True, True, False)


def size(orientation: tf.Tensor, stored: tf.Tensor) -> tf.Tensor:
    """`[2]`: (height, width) of an image that is stored with (height, width) `[2]`."""
    return tf.where(_is_transposed(orientation), stored[::-1], stored)


def upright(orientation: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    """Turns an image.

    Args:
      orientation: scalar int32, 1 to 8.
      pixels: `[H, W, C]`.

    Returns:
      `[H, W, C]`, or `[W, H, C]` where the orientation is 5 or more.
    """

    def turned():
        transposed = tf.cond(
            _is_transposed(orientation), lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels
        )
        return tf.reverse(transposed, tf.boolean_mask([0, 1], _reversed(orientation)))

    return tf.cond(orientation == 1, lambda: pixels, turned)


def stored_box(orientation: tf.Tensor, box: tf.Tensor, upright_size: tf.Tensor) -> tf.Tensor:
    """Where a part of the upright image is in the stored one.

    Args:
      orientation: scalar int32, 1 to 8.
      box: `[4]` int32: top, left, height and width.
      upright_size: `[2]` int32: height and width.

    Returns:
      `[4]` int32, as `box`.
    """
    corner, sides = box[:2], box[2:]
    corner = tf.where(_reversed(orientation), upright_size - corner - sides, corner)
    is_transposed = _is_transposed(orientation)
    corner = tf.where(is_transposed, corner[::-1], corner)
    return tf.concat([corner, tf.where(is_transposed, sides[::-1], sides)], axis=0)


def _is_transposed(orientation):
    return orientation >= 5


def _reversed(orientation):
    """`[2]` bool: whether rows are in reverse, and columns."""
    return tf.stack(
        [tf.gather(tf.constant(each), orientation) for each in (_ROWS_REVERSED, _COLUMNS_REVERSED)]
    )
