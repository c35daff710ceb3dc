"""Small pictures of images, as text that a page can hold."""

from __future__ import annotations

import base64
import io

import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf.data import decoding
from kdcl_tf.data.formats.rules import ImageRules

__all__ = ["data_uri", "thumbnail"]


def thumbnail(pixels: np.ndarray, side: int = 192) -> bytes:
    """A JPEG of an image, in its own shape, whose longer side has at most so many pixels.

    Args:
      pixels: `[H, W, 3]` uint8.
      side: in pixels; an image that is smaller keeps its size.
    """
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return content.getvalue()


def data_uri(path: str, rules: ImageRules = ImageRules()) -> str:
    """A thumbnail of an image file as `data:image/jpeg;base64,...`, upright as the rules say.

    It is "" of a file that was there and cannot be read any more.
    """
    try:
        with open(path, "rb") as file, tf.device("CPU:0"):
            pixels = decoding.rgb(tf.constant(file.read()), rules).numpy()
    except (OSError, tf.errors.OpError):
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail(pixels)).decode()}"
