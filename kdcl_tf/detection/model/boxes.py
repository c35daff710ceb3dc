"""Boxes `[x1, y1, x2, y2]` in pixels: overlaps, and the coding that heads learn."""

from __future__ import annotations

import math

import keras_cv
import tensorflow as tf

# A head that is not trained yet may ask for a box e^40 times as wide; none needs to be more
# than an image of 1000 pixels is beside the smallest stride of 16.
_LARGEST_LOG_SCALE = math.log(1000.0 / 16.0)

# Pixels.
_SMALLEST_SIDE = 1e-3


def iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Intersection over union of every box with every other.

    Args:
      boxes: `[N, 4]` or `[B, N, 4]`.
      others: `[M, 4]` or `[B, M, 4]`.

    Returns:
      `[N, M]` or `[B, N, M]` in 0..1; 0 where both have no area.
    """
    return keras_cv.bounding_box.compute_iou(boxes, others, "xyxy")


def coverage(boxes: tf.Tensor, regions: tf.Tensor) -> tf.Tensor:
    """The part of every box that lies in each region.

    A crowd has no outline of its members: what lies in it is neither object nor background.

    Args:
      boxes: `[B, N, 4]`.
      regions: `[B, M, 4]`.

    Returns:
      `[B, N, M]` in 0..1; 0 for a box without area.
    """
    corner = tf.maximum(boxes[..., :, None, :2], regions[..., None, :, :2])
    end = tf.minimum(boxes[..., :, None, 2:], regions[..., None, :, 2:])
    inside = tf.reduce_prod(tf.maximum(end - corner, 0.0), axis=-1)
    return tf.math.divide_no_nan(inside, area(boxes)[..., None])


def is_box(boxes: tf.Tensor) -> tf.Tensor:
    """`[...]` bool: whether boxes `[..., 4]` have a width and a height that float32 can tell.

    Above 0 alone would not do: scaled to the pixels of a file, a narrower box may lose its area.
    """
    return tf.reduce_all(boxes[..., 2:] - boxes[..., :2] > _SMALLEST_SIDE, axis=-1)


def area(boxes: tf.Tensor) -> tf.Tensor:
    """Areas `[...]` of boxes `[..., 4]`, in square pixels."""
    return tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def clip(boxes: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Boxes cut to their image.

    Args:
      boxes: `[B, N, 4]`.
      sizes: `[B, 2]` height and width.

    Returns:
      `[B, N, 4]`.
    """
    height, width = tf.unstack(tf.cast(sizes, boxes.dtype), axis=-1)
    limits = tf.stack([width, height, width, height], axis=-1)[:, None, :]
    return tf.clip_by_value(boxes, 0.0, limits)


def encode(
    boxes: tf.Tensor, anchors: tf.Tensor, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> tf.Tensor:
    """The codes with which a head describes a box relative to an anchor.

    Args:
      boxes, anchors: `[..., 4]`, of positive width and height.
      weights: the four numbers are multiplied by these, to bring them near deviation 1.

    Returns:
      `[..., 4]`: the shift of the centre, as a part of the anchor's width and height, and
      the logarithms of both scales.

    Source: Girshick et al., "Rich feature hierarchies", CVPR 2014, appendix C.
    """
    centres, extents = _centres_and_extents(boxes)
    anchor_centres, anchor_extents = _centres_and_extents(anchors)
    shifts = (centres - anchor_centres) / anchor_extents
    scales = tf.math.log(extents / anchor_extents)
    return tf.concat([shifts, scales], axis=-1) * weights


def decode(
    codes: tf.Tensor, anchors: tf.Tensor, weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
) -> tf.Tensor:
    """The inverse of `encode`, for scales up to 62.5.

    Args:
      codes, anchors: `[..., 4]`, of shapes that broadcast.

    Returns:
      `[..., 4]` boxes, which may lie outside the image.
    """
    shifts, scales = tf.split(codes / tf.constant(weights, codes.dtype), 2, axis=-1)
    anchor_centres, anchor_extents = _centres_and_extents(anchors)
    centres = anchor_centres + shifts * anchor_extents
    halves = 0.5 * anchor_extents * tf.exp(tf.minimum(scales, _LARGEST_LOG_SCALE))
    return tf.concat([centres - halves, centres + halves], axis=-1)


def _centres_and_extents(boxes):
    corners, ends = tf.split(boxes, 2, axis=-1)
    return 0.5 * (corners + ends), ends - corners
