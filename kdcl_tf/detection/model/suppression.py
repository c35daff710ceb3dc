"""Non-maximum suppression: of boxes that show the same object, that of the highest score stays."""

from __future__ import annotations

import tensorflow as tf

from kdcl_tf.detection.model import boxes as boxes_lib

# Lower than any logit, higher than the minus infinity of a box that is excluded.
_LOWEST = -1e8


def keep_proposals(
    boxes: tf.Tensor, scores: tf.Tensor, levels: tf.Tensor, count: int, threshold: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """The boxes of the highest scores in every image, each level by itself.

    Args:
      boxes: `[B, N, 4]`.
      scores: `[B, N]` logits; minus infinity excludes a box.
      levels: `[N]` int32; boxes of two levels do not suppress each other.
      count: boxes an image that stay at most.
      threshold: of two boxes whose intersection over union is above it, the one of the lower
        score goes.

    Returns:
      `(boxes [B, count, 4], valid [B, count])`, highest score first; zeros where there are fewer.
    """

    def of_image(image):
        boxes, scores = image
        # A single NaN would make the extent of all boxes NaN.
        boxes = tf.where(scores[:, None] > _LOWEST, boxes, 0.0)
        kept, number = tf.raw_ops.NonMaxSuppressionV4(
            boxes=_apart(boxes, levels),
            scores=scores,
            max_output_size=count,
            iou_threshold=threshold,
            score_threshold=_LOWEST,
            pad_to_max_output_size=True,
        )
        valid = tf.range(count) < number
        return tf.where(valid[:, None], tf.gather(boxes, kept), 0.0), valid

    signature = (tf.TensorSpec([count, 4], tf.float32), tf.TensorSpec([count], tf.bool))
    return tf.map_fn(of_image, (boxes, scores), fn_output_signature=signature)


def _apart(boxes, levels):
    """`[N, 4]` boxes moved by their levels so far that those of two cannot overlap."""
    extent = tf.reduce_max(boxes) - tf.reduce_min(boxes) + 1.0
    return boxes + (tf.cast(levels, boxes.dtype) * extent)[:, None]


def keep_detections(
    boxes: tf.Tensor, scores: tf.Tensor, count: int, threshold: float, least_score: float
) -> dict[str, tf.Tensor]:
    """The detections of the highest scores in every image, each class by itself.

    Args:
      boxes: `[B, N, C, 4]`, a box of each class for each of N regions.
      scores: `[B, N, C]` probabilities; 0 excludes a region. Boxes without area are excluded.
      count: detections an image, over all classes.
      threshold: as in `keep_proposals`.
      least_score: detections of a lower score go.

    Returns:
      `{"boxes": [B, count, 4], "scores": [B, count], "classes": [B, count] int32, "valid":
      [B, count] bool}`, highest score first; zeros where there are fewer.
    """
    found = tf.image.combined_non_max_suppression(
        boxes,
        # Nothing is in a box that lies outside of its image, of which clipping leaves a line.
        tf.where(boxes_lib.is_box(boxes), scores, 0.0),
        max_output_size_per_class=count,
        max_total_size=count,
        iou_threshold=threshold,
        score_threshold=least_score,
        clip_boxes=False,
    )
    valid = tf.range(count) < found.valid_detections[:, None]
    return {
        "boxes": found.nmsed_boxes,
        "scores": found.nmsed_scores,
        "classes": tf.cast(found.nmsed_classes, tf.int32),
        "valid": valid,
    }
