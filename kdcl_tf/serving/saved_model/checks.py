"""What is refused of a student, its card and its path before anything is written."""

from __future__ import annotations

import json

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.cohort.membership import input_shape
from kdcl_tf.data.sources import source
from kdcl_tf.serving import cards

__all__ = ["check_card", "check_classes", "check_images", "check_path"]


def check_path(path):
    """Raises ValueError for the name of a file, whose card would lie beside it and not in it."""
    if cards.path_of(path).parent != path:
        raise ValueError(
            f"expected the path of a folder, for a SavedModel; got {path}, the name of a file: leave "
            "out its ending, or write .keras with save_keras, .weights.h5 with save_weights, and "
            "others with kdcl-export"
        )


def check_card(card):
    """Raises ValueError for class names or a normalisation that nothing could use."""
    source.check_class_names(card.class_names)
    try:
        json.dumps(card.facts)
    except TypeError as error:
        raise ValueError(
            f"expected a card of facts that JSON can hold; got another: {error}: change the card's more"
        ) from error
    channels = card.image_shape[-1]
    for name, numbers in card.normalization.as_card().items():
        if name in ("mean", "deviation") and np.shape(numbers) not in ((channels,), (1,)):
            raise ValueError(
                f"expected a {name} for each of the card's {channels} channels, or one for all; got "
                f"{len(numbers)}: change the card's normalization"
            )


def check_images(card, student):
    """Raises ValueError unless a student takes images of a card's size."""
    if not _takes(student, (None, *card.image_shape)):
        raise ValueError(
            f"expected a student of the card's images, {[None, *card.image_shape]}; got one of "
            f"{input_shape(student)}: give the card the size of the student's images"
        )


def _takes(student, shape):
    """Whether a student takes images of a shape `(None, H, W, C)`."""
    own = [tf.TensorShape(each.shape) for each in getattr(student, "inputs", None) or []]
    if len(own) > 1 or not all(each.is_compatible_with(shape) for each in own):
        return False
    if own and own[0][1:].is_fully_defined():
        return True
    # What tells no size, or says that it takes any, may still fail for this one.
    try:
        student.compute_output_spec(keras.KerasTensor(shape))
    except Exception:  # Whatever layers raise, theirs or a stranger's.
        return False
    return True


def check_classes(card, shape):
    """Raises ValueError unless logits of a shape are one for each class of a card."""
    if not shape.is_compatible_with([None, card.num_classes]):
        raise ValueError(
            f"expected logits [B, {card.num_classes}], one for each class name of the card; got a "
            f"student of {shape.as_list()}: give the card a name for each logit, in their order"
        )
