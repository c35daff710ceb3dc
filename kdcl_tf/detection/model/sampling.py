"""The few candidates of an image that are trained on."""

from __future__ import annotations

import tensorflow as tf

from kdcl_tf.detection.model.matching import NEGATIVE, POSITIVE


def sample(
    labels: tf.Tensor, keys: tf.Tensor, count: int, positive_fraction: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws candidates of every image: positives up to a fraction, the rest negatives.

    What is drawn of an image depends on its key and labels alone, not on the others of its
    batch: however images are spread over replicas, they train on the same.

    Args:
      labels: `[B, A]` of `matching.match`, A >= 1.
      keys: `[B, 2]` int64, a stateless key for each image.
      count: S, candidates an image.
      positive_fraction: at most this part of them are positive.

    Returns:
      `(indices, chosen)`, `[B, S]` int32 positions in A and bool.  Positives come first; where
      an image has too few candidates, `chosen` is False and the index 0.

    Source: Girshick, "Fast R-CNN", ICCV 2015, section 2.3.
    """
    most_positive = int(count * positive_fraction)

    def of_image(image):
        labels, key = image
        # Above 0, so that candidates that may not be drawn sort last.
        chances = tf.random.stateless_uniform(tf.shape(labels), key, minval=0.5, maxval=1.0)
        positives, is_positive = _draw(chances, labels == POSITIVE, most_positive)
        left = count - tf.math.count_nonzero(is_positive, dtype=tf.int32)
        negatives, is_negative = _draw(chances, labels == NEGATIVE, count)
        is_negative &= tf.range(tf.shape(negatives)[0]) < left
        drawn = tf.concat([positives[is_positive], negatives[is_negative]], axis=0)
        missing = count - tf.shape(drawn)[0]
        return (
            tf.ensure_shape(tf.pad(drawn, [[0, missing]]), [count]),
            tf.range(count) < tf.shape(drawn)[0],
        )

    signature = (tf.TensorSpec([count], tf.int32), tf.TensorSpec([count], tf.bool))
    return tf.map_fn(of_image, (labels, keys), fn_output_signature=signature)


def _draw(chances, may_be_drawn, count):
    """Positions of the up to `count` greatest chances, and which of them may be drawn."""
    most = tf.minimum(count, tf.shape(chances)[0])
    values, positions = tf.math.top_k(tf.where(may_be_drawn, chances, 0.0), most)
    return positions, values > 0.0
