"""The losses of a two-stage detector, each a sum over what was sampled.

The caller divides by how many were sampled in all replicas.
"""

import tensorflow as tf

# Where the box loss turns from a parabola into a line, for codes that are not scaled.
PROPOSAL_BETA = 1.0 / 9.0
BOX_BETA = 1.0


def smooth_l1(errors, beta):
    """|e| - beta / 2, and e² / (2 beta) for |e| < beta, of each number.

    Source: Girshick, "Fast R-CNN", ICCV 2015, Eq. 3, where beta is 1.
    """
    size = tf.abs(errors)
    return tf.where(size < beta, 0.5 * errors**2 / beta, size - 0.5 * beta)


def objectness(logits, is_object, counted):
    """Sum of the binary cross-entropies of the anchors that count.

    Args:
      logits: `[B, S]`.
      is_object, counted: `[B, S]` bool.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(is_object, tf.float32), logits)
    return tf.reduce_sum(tf.where(counted, entropy, 0.0))


def box_codes(codes, wanted, counted, beta):
    """Sum of the smooth L1 losses of the boxes that count.

    Args:
      codes, wanted: `[..., 4]`.
      counted: `[...]` bool; what is wanted of the others may be anything, NaN included.
      beta: of `smooth_l1`.
    """
    # The gradient of a NaN that is masked out afterwards would be NaN.
    errors = tf.where(counted[..., None], codes - tf.where(counted[..., None], wanted, 0.0), 0.0)
    return tf.reduce_sum(smooth_l1(errors, beta))


def classes(logits, wanted, counted):
    """Sum of the cross-entropies of the regions that count.

    Args:
      logits: `[N, C + 1]`, background last.
      wanted: `[N]` int32 in 0..C.
      counted: `[N]` bool.
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
    return tf.reduce_sum(tf.where(counted, entropy, 0.0))


def masks(logits, wanted, counted):
    """Sum over regions of the binary cross-entropy, averaged over the pixels of each.

    Args:
      logits: `[N, S, S]`, of each region's class alone, so that classes do not compete.
      wanted: `[N, S, S]` 0 or 1.
      counted: `[N]` bool.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
    of_region = tf.reduce_mean(entropy, axis=[1, 2])
    return tf.reduce_sum(tf.where(counted, of_region, 0.0))
