"""What an exported model answers: normalisation, one student or several, the softmax.

A *function of pixels* takes images `[B, H, W, C]`, float32 in 0..1, and gives logits
`[B, num_classes]`, float32.  Every format is made of one, but for int8, which is made of a
function of grey levels, images in 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from kdcl_tf.cohort.membership import check_classifier
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.students import constant_channels, precision

__all__ = ["Logits", "answers", "averaged", "of_grey_levels", "of_student"]

Logits = Callable[[tf.Tensor], tf.Tensor]


def of_student(student: keras.Model, normalization: Normalization) -> Logits:
    """The function of pixels of a student in inference mode and in float32.

    Args:
      student: a built keras.Model of normalised images, of any precision, that gives logits.
      normalization: of those images.

    Raises:
      ValueError: when it gives no logits, such as one that ends in a softmax; when it cannot be
        made in float32, see `precision.in_float32`.
    """
    student = _served(student)

    def logits(pixels):
        found = student(normalization.apply_fractions(pixels), training=False)
        return tf.cast(found, tf.float32)

    return logits


def of_grey_levels(student: keras.Model, normalization: Normalization) -> Logits:
    """The same logits by a function that loses less when it is computed in integers.

    It takes images in 0..255 and normalises them by one product and one sum, each of which is
    rounded; the order `images / 255 - mean`, then `/ deviation`, has three roundings, of which
    the first have fewer levels left.

    Args:
      student, normalization: as in `of_student`.

    Raises:
      ValueError: as `of_student`.
    """
    student = constant_channels.settled(_served(student))

    def logits(images):
        found = student(normalization.apply_at_once(images), training=False)
        return tf.cast(found, tf.float32)

    return logits


def _served(student):
    """The student in float32, once it is known to give logits: a softmax comes after it."""
    check_classifier("the student", student, needed_by="an export")
    return precision.in_float32(student)


def averaged(members: Sequence[Logits]) -> Logits:
    """The function of pixels whose softmax is the mean of the members' probabilities.

    Its logits are the logarithms of that mean.

    Args:
      members: of the same images and classes, at least one.
    """

    def logits(pixels):
        each = [tf.nn.log_softmax(member(pixels)) for member in members]
        # The greatest is subtracted, so that no probability vanishes before it is averaged.
        greatest = each[0]
        for other in each[1:]:
            greatest = tf.maximum(greatest, other)
        mean = tf.add_n([tf.exp(one - greatest) for one in each]) * (1.0 / len(each))
        return tf.math.log(mean) + greatest

    return logits


def answers(logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """`{"logits", "probabilities"}` of logits `[B, num_classes]`."""
    return {"logits": logits, "probabilities": tf.nn.softmax(logits)}
