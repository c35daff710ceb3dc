"""Non-maximum suppression: of boxes that say the same, the one that is surest stays."""

import tensorflow as tf

# Lower than any logit, higher than what a box that is out of question is given.
_LOWEST = -1e8


def keep_proposals(boxes, scores, levels, count, threshold):
    """The surest boxes of every image, each level by itself.

    Args:
      boxes: `[B, N, 4]`.
      scores: `[B, N]` logits; minus infinity for boxes that are out of question.
      levels: `[N]` int32; boxes of two levels do not suppress each other.
      count: boxes an image that stay at most.
      threshold: above so much intersection over union, the less sure one goes.

    Returns:
      `(boxes [B, count, 4], valid [B, count])`, surest first; zeros where there are fewer.
    """

    def of_image(image):
        boxes, scores = image
        # One box that is no number would hide how far the others reach.
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


def keep_detections(boxes, scores, count, threshold, least_score):
    """The surest detections of every image, each class by itself.

    Args:
      boxes: `[B, N, C, 4]`, a box of each class for each of N regions.
      scores: `[B, N, C]` probabilities; 0 for regions that are out of question.
      count: detections an image, over all classes.
      threshold: as in `keep_proposals`.
      least_score: what is less sure goes.

    Returns:
      `{"boxes": [B, count, 4], "scores": [B, count], "classes": [B, count] int32, "valid":
      [B, count] bool}`, surest first; zeros where there are fewer.
    """
    found = tf.image.combined_non_max_suppression(
        boxes,
        scores,
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
