"""The features of labelled images in `tf.train.Example`s: their names and their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from kdcl_tf.data import errors
from kdcl_tf.files.escaping import escaped


class Keys(NamedTuple):
    """Names of features.

    Attributes:
      image: the encoded image, one string.
      label: one integer.
      name: the name of the class, one string where it is there; "" where there are none.
    """

    image: str
    label: str
    name: str = ""


# As TensorFlow's own scripts for ImageNet write them, and as TFDS does.
KNOWN = (
    Keys("image/encoded", "image/class/label", "image/class/synset"),
    Keys("image", "label"),
)

_KINDS = {"bytes_list": "strings", "float_list": "floats", "int64_list": "integers"}


def candidates(image_key: str | None = None, label_key: str | None = None) -> tuple[Keys, ...]:
    """The names that features may have: `KNOWN`, with those that are given in their place.

    The name of a class belongs to the known label, and says nothing of another one.
    """
    given = (
        Keys(
            image_key or each.image,
            label_key or each.label,
            each.name if label_key in (None, each.label) else "",
        )
        for each in KNOWN
    )
    return tuple(dict.fromkeys(given))


def keys_of(file: str, record: bytes, image_key: str | None, label_key: str | None) -> Keys:
    """The names of the features that a record has.

    Args:
      file: path of the record's file, for messages.
      record: a serialised `tf.train.Example`.
      image_key, label_key: names that are given, or None.

    Raises:
      ValueError: when it is no example, has no such features, or they are of another kind.
    """
    possible = candidates(image_key, label_key)
    expected = " or ".join(dict.fromkeys(f"{each.image} and {each.label}" for each in possible))
    try:
        features = tf.train.Example.FromString(record).features.feature
    except Exception as error:  # Whatever protocol buffers say of other records.
        raise ValueError(
            f"'{escaped(file)}' is no TFRecord file of labelled images: expected tf.train.Examples"
            f" with features {expected}; got {errors.one_line(error)}"
        ) from error
    for keys in possible:
        if {keys.image, keys.label} <= set(features):
            _check(f"'{escaped(file)}'", keys, features)
            return keys
    got = ", ".join(sorted(features)) or "none"
    raise ValueError(
        f"'{escaped(file)}' is no TFRecord file of labelled images: expected features {expected};"
        f" got features {got}: pass tfrecord_image_key=NAME, or pass tfrecord_label_key=NAME"
    )


def check(file: str, number: int, record: bytes, keys: Keys) -> None:
    """Checks that the features of a record are one image and one label.

    Args:
      file: path of the record's file.
      number: of the record in it, from 0.
      record: a serialised `tf.train.Example`.
      keys: the names of its features.

    Raises:
      ValueError: when they are not; the message says what they are.
    """
    features = tf.train.Example.FromString(record).features.feature
    _check(f"record {number} of '{escaped(file)}'", keys, features)


def _check(where: str, keys: Keys, features: Mapping[str, Any]) -> None:
    _check_one(where, keys.image, features, "bytes_list", "one string, an encoded image")
    _check_one(where, keys.label, features, "int64_list", "one integer, a label")
    if keys.name in features:
        _check_one(where, keys.name, features, "bytes_list", "one string, the name of a class")


def _check_one(where, key, features, kind, expected):
    if key not in features:
        got = ", ".join(sorted(features)) or "no features"
        raise ValueError(f"{where}: expected feature {key}; got {got}")
    feature = features[key]
    got = feature.WhichOneof("kind")
    values = getattr(feature, got).value if got else []
    if got != kind or len(values) != 1:
        found = _described(got, values)
        raise ValueError(f"{where}: feature {key}: expected {expected}; got {found}")


def _described(kind, values):
    """`1 float (0.5)`, `3 integers (1, 2, ...)`, `nothing`."""
    if not values:
        return "nothing"
    noun = _KINDS[kind] if len(values) > 1 else _KINDS[kind][:-1]
    shown = ", ".join(repr(value)[:40] for value in values[:2])
    return f"{len(values)} {noun} ({shown}{', ...' if len(values) > 2 else ''})"
