"""The losses of a two-stage detector, each a sum over what was sampled.

The caller divides by how many were sampled in all replicas.
"""

import tensorflow as tf

# Where the box loss turns from a parabola into a line, for codes that are not scaled.
PROPOSAL_BETA = 1.0 / 9.0
BOX_BETA = 1.0


def smooth_l1(errors: tf.Tensor, beta: float) -> tf.Tensor:
    """|e| - beta / 2, and e² / (2 beta) for |e| < beta, of each number.

    Source: Girshick, "Fast R-CNN", ICCV 2015, Eq. 3, where beta is 1.
    """
    size = tf.abs(errors)
    return tf.where(size < beta, 0.5 * errors**2 / beta, size - 0.5 * beta)


def objectness(logits: tf.Tensor, is_object: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Sum of the binary cross-entropies of the anchors that count.

    Args:
      logits: `[B, S]`.
      is_object, counted: `[B, S]` bool.

    Returns:
      A scalar.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_object, tf.float32), logits)
    return tf.reduce_sum(tf.where(counted, entropy, 0.0))


def box_codes(codes: tf.Tensor, targets: tf.Tensor, counted: tf.Tensor, beta: float) -> tf.Tensor:
    """Sum of the smooth L1 losses of the boxes that count.

    Args:
      codes, targets: `[..., 4]`.
      counted: `[...]` bool; the targets of the others may be anything, NaN included.
      beta: of `smooth_l1`.

    Returns:
      A scalar.
    """
    # The gradient of a NaN that is masked out afterwards would be NaN.
    errors = tf.where(counted[..., None], codes - tf.where(counted[..., None], targets, 0.0), 0.0)
    return tf.reduce_sum(smooth_l1(errors, beta))


def classes(logits: tf.Tensor, targets: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Sum of the cross-entropies of the regions that count.

    Args:
      logits: `[N, C + 1]`, background last.
      targets: `[N]` int32 in 0..C.
      counted: `[N]` bool.

    Returns:
      A scalar.
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(tf.where(counted, entropy, 0.0))


def masks(logits: tf.Tensor, targets: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Sum over regions of the binary cross-entropy, averaged over the pixels of each.

    Args:
      logits: `[N, S, S]`, of each region's class alone, so that classes do not compete.
      targets: `[N, S, S]` 0 or 1.
      counted: `[N]` bool.

    Returns:
      A scalar.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    of_region = tf.reduce_mean(entropy, axis=[1, 2])
    return tf.reduce_sum(tf.where(counted, of_region, 0.0))
