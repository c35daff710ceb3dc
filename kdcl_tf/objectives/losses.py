"""Losses with one value per example; the cohort averages and weights them.

`logits` are `[B, C]`, unnormalised, any float type; the arithmetic is float32, in log
space, and nothing is clipped.  A logit of -inf masks its class: its probability is 0, and
losses and gradients are those of the other classes.  A loss is +inf only where it is so by
definition: where a class whose target is above 0 is masked.  Its gradient is finite even there.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.objectives import targets

__all__ = ["balanced_class_weights", "cross_entropy", "distillation"]


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of the labels at temperature 1.  The first term of paper Eq. 2.

    Args:
      labels: `[B]` classes or `[B, C]` probabilities.
      logits: `[B, C]`.

    Returns:
      `[B]` float32, in nats.
    """
    logits = tf.cast(logits, tf.float32)
    # -<y, log q> and not logsumexp - <y, z>: the two differ where labels do not sum to 1.
    return -targets.target_logits(tf.nn.log_softmax(logits), labels)


def distillation(soft_targets: tf.Tensor, logits: tf.Tensor, temperature: float) -> tf.Tensor:
    """`T^2 KL(soft_targets || softmax(logits / T))`.  Paper Eq. 1.

    T^2 makes the size of the gradient independent of T (Hinton et al., 2015).  No gradient
    passes to the soft targets.

    T^2 multiplies the rounding of the soft targets, too: the loss of an example was off by up to
    4e-7 T^2 nats (4e-3 at T = 100, 0.4 at T = 1000), for logits of standard deviation 3 and
    C = 2 to 1000.  The mean over examples is off by much less, and gradients have no such factor.

    Args:
      soft_targets: `[B, C]` probabilities, already softened.
      logits: `[B, C]` of the student that learns.
      temperature: > 0.

    Returns:
      `[B]` float32, in nats.
    """
    p = tf.stop_gradient(tf.cast(soft_targets, tf.float32))
    log_q = tf.nn.log_softmax(tf.cast(logits, tf.float32) / temperature)
    # xlogy: a class whose probability underflows to 0 adds 0, where p * log(p) would be NaN.
    # Likewise a masked class whose target is 0.
    cross = tf.math.multiply_no_nan(log_q, p)
    divergence = tf.reduce_sum(tf.math.xlogy(p, p) - cross, axis=-1)
    return temperature**2 * divergence


def balanced_class_weights(labels: Sequence[int] | np.ndarray) -> dict[int, float]:
    """The weight of each class with which all classes count alike, whatever their sizes.

    Of N images of C classes, an image of a class with n images weighs N / (C n), so that the mean
    weight of an image is 1.  (scikit-learn's "balanced".)  They are for Keras:

        cohort.fit(x, y, class_weight=kdcl_tf.losses.balanced_class_weights(y))

    A weight multiplies both losses of its image, cross-entropy and distillation loss, of every
    student, so that lambda is the same for all images.  The sum is still divided by the number of
    images, over all replicas, and not by the sum of their weights.

    Args:
      labels: `[N]` integers, the classes of the images that are trained on.

    Returns:
      `{class: weight}` of the C classes that have images.

    Raises:
      ValueError: for labels that are not whole numbers from 0, one for each image, such as
        probabilities or names.
    """
    labels = np.asarray(labels)
    is_flat = labels.ndim == 1 or labels.shape[1:] == (1,)
    wrong = labels[~_are_classes(labels)]
    if not is_flat or wrong.size:
        got = wrong[:3].tolist() if is_flat else f"shape {list(labels.shape)}"
        raise ValueError(
            f"expected labels [N] of whole numbers from 0, the classes of the images; got {got}: "
            "numpy.unique(labels, return_inverse=True) numbers the classes of others"
        )
    classes, counts = np.unique(labels, return_counts=True)
    weights = counts.sum() / (len(classes) * counts)
    return {int(label): float(weight) for label, weight in zip(classes, weights)}


def _are_classes(labels):
    """Of each label whether it is a class, of the labels' shape."""
    if labels.dtype.kind in "SU":
        return np.zeros(labels.shape, bool)
    try:
        numbers = labels.astype(np.float64)  # Of objects, too, as pandas has whole numbers.
    except (TypeError, ValueError):
        return np.zeros(labels.shape, bool)
    return np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))
