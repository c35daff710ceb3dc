"""Images as an exported student takes them: checked before it answers, and grey where it is.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["checked", "of_colours", "whole_numbers"]

# How far beyond 0..1 floats may be: resampling overshoots a little.
_OVERSHOOT = 0.25


def checked(images: Any, image_shape: Sequence[int], check_range: bool = True) -> tf.Tensor:
    """Images as a tensor of one of the two kinds that an exported student takes.

    Args:
      images: an array, a tensor or nested lists.
      image_shape: (height, width, channels) from the student's card.
      check_range: whether floats have to be in 0..1, give or take a quarter for what
        resampling overshoots.  A tensor in a graph has no values yet, and passes.

    Returns:
      `[B, H, W, C]`, uint8 as it was given, or float32.

    Raises:
      ValueError: when images have another type, size or number of axes, or floats another range.
    """
    import tensorflow as tf

    if not hasattr(images, "dtype"):
        images = _array(images)
    kind, shape = tf.as_dtype(images.dtype), tf.TensorShape(images.shape)
    got = "of unknown rank" if shape.rank is None else shape.as_list()
    expected = (
        f"expected images as uint8 [B, {', '.join(map(str, image_shape))}], or as floats in 0..1 "
        f"of that shape; got {kind.name} {got}"
    )
    if kind != tf.uint8 and not kind.is_floating:
        raise ValueError(f"{expected}: convert grey levels of 0..255 to uint8")
    if not shape.is_compatible_with([None, *image_shape]):
        raise ValueError(f"{expected}: {_remedy(tuple(shape), image_shape)}")
    if kind.is_floating and check_range:
        _check_range(images, expected)
    return tf.convert_to_tensor(images) if kind == tf.uint8 else tf.cast(images, tf.float32)


def whole_numbers(images: Any, image_shape: Sequence[int]) -> np.ndarray:
    """Images as an array for what takes uint8 alone, such as a LiteRT or ONNX file.

    Args:
      images: an array or nested lists.
      image_shape: (height, width, channels) from the student's card.

    Returns:
      `[B, H, W, C]` uint8.

    Raises:
      ValueError: when images have another type, size or number of axes.
    """
    images = np.asarray(images) if hasattr(images, "dtype") else _array(images)
    expected = (
        f"expected images as uint8 [B, {', '.join(map(str, image_shape))}]; got {images.dtype} "
        f"{list(images.shape)}"
    )
    if images.dtype != np.uint8:
        raise ValueError(f"{expected}: give grey levels of 0..255 as uint8")
    if images.ndim != 4 or list(images.shape[1:]) != list(image_shape):
        raise ValueError(f"{expected}: {_remedy(images.shape, image_shape)}")
    return images


def of_colours(images: Any, channels: int) -> Any:
    """Images in colours with the channels that a student takes: one of grey is given luminance.

    Args:
      images: `[B, H, W, 3]`, red, green and blue, an array or a tensor, uint8 or floats.
      channels: of the student's images.

    Returns:
      `[B, H, W, channels]`, of the same kind and type.

    Raises:
      ValueError: for other channels than 1 and 3, about which colours tell nothing.
    """
    if channels == 3:
        return images
    if channels != 1:
        raise ValueError(
            "expected a student of images with 3 channels, red, green and blue, or 1, grey; got one "
            f"of {channels}: give its images to serving.load_student"
        )
    import tensorflow as tf

    grey = tf.image.rgb_to_grayscale(images)
    return grey.numpy() if isinstance(images, np.ndarray) else grey


def _array(images: Any) -> np.ndarray:
    """Nested lists as an array, of uint8 where they are grey levels."""
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise ValueError(
            f"expected images of one size; got nested lists of several lengths: {error}"
        ) from error
    levels = array.dtype.kind in "iu" and array.size and 0 <= array.min() and array.max() <= 255
    return array.astype(np.uint8) if levels else array


def _remedy(shape: tuple[int | None, ...], image_shape: Sequence[int]) -> str:
    height, width, channels = image_shape
    if shape == tuple(image_shape):
        return "give a batch of one, images[None]"
    if len(shape) != 4:
        return "give a batch of images, channels last"
    if shape[-1] != channels:
        return f"the student takes images of {channels} channel{'s' * (channels != 1)}"
    return f"scale them to {height} x {width} pixels"


def _check_range(images: Any, expected: str) -> None:
    import tensorflow as tf

    if isinstance(images, tf.Tensor) and not hasattr(images, "numpy"):
        return
    if not isinstance(images, (tf.Tensor, np.ndarray)):
        return
    values = np.asarray(images, np.float32)
    if not values.size:
        return
    least, most = values.min(), values.max()
    if not (-_OVERSHOOT <= least and most <= 1 + _OVERSHOOT):
        raise ValueError(
            f"{expected} from {least:g} to {most:g}: divide grey levels of 0..255 by 255 or give "
            "them as uint8, and do not normalise them, since the student does"
        )
