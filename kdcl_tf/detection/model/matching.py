"""Which annotated box an anchor or a proposal stands for, if any."""

from __future__ import annotations

import tensorflow as tf

from kdcl_tf.detection.model import boxes as boxes_lib

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1

# A box of which this part lies in a crowd may show one of its members.
_COVERED = 0.7


def match(
    candidates: tf.Tensor,
    boxes: tf.Tensor,
    is_object: tf.Tensor,
    crowds: tf.Tensor,
    low: float,
    high: float,
    keep_best: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Labels candidates by their overlap with the objects of their image.

    Args:
      candidates: `[A, 4]`, the same for all images, or `[B, A, 4]`.
      boxes: `[B, G, 4]`, G >= 1.
      is_object: `[B, G]` bool; the other boxes are crowds or padding.
      crowds: `[B, G]` bool.
      low, high: below `low` of intersection over union a candidate is negative, from `high`
        on it is positive, between them it is ignored.
      keep_best: also makes the best candidates of every object positive, however low.

    Returns:
      `(matched, labels)`, both `[B, A]` int32: the object that a candidate overlaps most,
      a position in G, and POSITIVE, NEGATIVE or IGNORED.  A negative that lies in a crowd
      is ignored.

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.2.
    """
    if candidates.shape.rank == 2:
        candidates = tf.repeat(candidates[None], tf.shape(boxes)[0], axis=0)
    overlaps = tf.where(is_object[:, None, :], boxes_lib.iou(candidates, boxes), 0.0)
    best = tf.reduce_max(overlaps, axis=-1)
    matched = tf.argmax(overlaps, axis=-1, output_type=tf.int32)
    labels = tf.where(best >= high, POSITIVE, tf.where(best < low, NEGATIVE, IGNORED))
    # Few images have a crowd, and the table of all candidates and boxes is large.
    in_a_crowd = tf.cond(
        tf.reduce_any(crowds),
        lambda: _in_a_crowd(candidates, boxes, crowds),
        lambda: tf.zeros_like(labels, tf.bool),
    )
    labels = tf.where((labels == NEGATIVE) & in_a_crowd, IGNORED, labels)
    if keep_best:
        labels = tf.where(_is_best(overlaps), POSITIVE, labels)
    return matched, labels


def _is_best(overlaps):
    """Whether a candidate is among those that tie for the best overlap of some object."""
    of_object = tf.reduce_max(overlaps, axis=1, keepdims=True)
    return tf.reduce_any((overlaps == of_object) & (of_object > 0.0), axis=-1)


def _in_a_crowd(candidates, boxes, crowds):
    inside = tf.where(crowds[:, None, :], boxes_lib.coverage(candidates, boxes), 0.0)
    return tf.reduce_max(inside, axis=-1) >= _COVERED
