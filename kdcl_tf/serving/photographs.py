"""Photographs of any size as encoded bytes, made in a graph what an exported student takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.data.formats import rules
from kdcl_tf.serving import card_facts

__all__ = ["are_taken", "explained", "pixels"]

# What a card says of the signature that does this.
_EXPLAINED = (
    "the signature photograph takes the encoded bytes of one JPEG or PNG of any size, and decodes "
    "and resizes them as evaluation does; it does not turn the image as its EXIF orientation says"
)
_TURN = ", which TensorFlow has no operation for: turn it before"
_AS_STORED = ", as in this student's training"


def are_taken(image_shape: Sequence[int]) -> bool:
    """Whether a student's images, `(height, width, channels)`, are such as decoders give."""
    return image_shape[-1] in card_facts.CHANNELS


def explained(facts: Mapping[str, Any]) -> str:
    """What a student's card says of the signature that takes photographs.

    Args:
      facts: of the card, which tell whether photographs were turned in training.
    """
    is_turned = rules.is_turned_in_training(facts)
    return _EXPLAINED + (_TURN if is_turned else _AS_STORED)


def pixels(content: tf.Tensor, image_shape: Sequence[int], scaled_to: Sequence[int]) -> tf.Tensor:
    """The pixels of an image, scaled whatever its own shape and cut to the centre.

    They are those of `data.encoded`, which evaluation reads, for JPEGs and PNGs that are stored
    upright.  The exceptions are JPEGs in CMYK, which TensorFlow converts in a way of its own, and
    grey students, for which an image in colours has the luminance that its decoder gives.

    Args:
      content: scalar string, the bytes of a JPEG or PNG.
      image_shape: (height, width, channels) of the student.
      scaled_to: (height, width) before the centre is cut out, see `Card.scaled_to`.

    Returns:
      `[height, width, channels]` uint8.
    """
    channels = image_shape[-1]
    whole = tf.cond(
        tf.io.is_jpeg(content),
        lambda: tf.io.decode_jpeg(content, channels, dct_method=decoding.ARITHMETIC),
        lambda: tf.io.decode_png(content, channels),
    )
    return decoding.centre(whole, scaled_to, image_shape)
