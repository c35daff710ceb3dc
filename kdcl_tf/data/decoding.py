"""Decodes images, whole or only the part that is needed, and resizes them.

Everything here works eagerly and in a graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kdcl_tf.data import errors
from kdcl_tf.data.formats import header as header_lib, orientation as orientation_lib, pillow
from kdcl_tf.data.formats.rules import ImageRules

# What is kept of decoded images belongs to this number. It goes up with every change here, in
# `formats/` or of resizing by which any file gives other pixels, or can be decoded where it could not.
VERSION = 3

# A JPEG stores colour at half the resolution, and its decoder interpolates: near the border
# of a part, colours differ from those of the whole. Two pixels further in they are equal.
_MARGIN = 2

_END_OF_JPEG = b"\xff\xd9"

# Pillow's arithmetic; TensorFlow's own choice differs from it by up to 20 grey levels.
ARITHMETIC = "INTEGER_ACCURATE"


class _ImageError(tf.errors.InvalidArgumentError, ValueError):
    """Also a ValueError, of which a graph makes an `InvalidArgumentError`."""


class _Found(NamedTuple):
    """What a graph knows of an image before it decodes it; all int32.

    Attributes:
      decoder: scalar, of `header.Decoder`.
      stored: `[2]`, height and width of the pixels as they are stored.
      orientation: scalar, 1 to 8.
    """

    decoder: tf.Tensor
    stored: tf.Tensor
    orientation: tf.Tensor

    @property
    def upright(self) -> tf.Tensor:
        """`[2]`: height and width of the image when it is turned."""
        return orientation_lib.size(self.orientation, self.stored)


def rgb(
    content: tf.Tensor, rules: ImageRules = ImageRules(), annotated: tf.Tensor | None = None
) -> tf.Tensor:
    """The pixels of a JPEG, PNG, GIF, BMP, WebP or TIFF image, whatever its file is called.

    They are those of Pillow's `Image.convert("RGB")` for the first frame: grey, palette and
    CMYK images become RGB; alpha is dropped, not blended with a background, so that a
    transparent pixel has the colour stored for it; of 16 bits the high 8 are taken (also of
    12 or 16 bits of grey, which Pillow would clip). The image is turned as its EXIF orientation
    says.

    Args:
      content: scalar string, the bytes of the file.
      rules: how large an image may be, and whether it is turned.
      annotated: `[2]` int32, the height and width that annotations of the image were made
        for. Where these are the sides of the stored image and not of the upright one, it is
        left as it is stored. An image whose sides do not tell (it is square or turned by half
        a circle) counts as annotated upright, as annotation tools show it.

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      tf.errors.InvalidArgumentError: when it is not such an image, is damaged or too large.
    """
    content = tf.convert_to_tensor(content, tf.string)
    found = _header(content, rules)
    if annotated is not None:
        found = _as_annotated(found, annotated)
    return _whole(content, found)


def parts(
    content: tf.Tensor,
    windows: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    rules: ImageRules = ImageRules(),
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the part of an image that several windows show, once for all of them.

    Of a JPEG only the smallest rectangle around all windows is decoded; its pixels are
    those of the whole image. Other types are decoded whole. So are JPEGs without an end
    marker, so that a truncated one is refused whatever the windows are.

    Args:
      content: scalar string, the bytes of the file.
      windows: maps scalar int32 height and width, of the upright image, to `[M, 4]` int32
        rows (top, left, height, width) inside it.
      rules: as in `rgb`.

    Returns:
      (the part, `[H, W, 3]` uint8; the same windows relative to its corner).

    Raises:
      tf.errors.InvalidArgumentError: as `rgb`.
    """
    content = tf.convert_to_tensor(content, tf.string)
    found = _header(content, rules)
    boxes = tf.convert_to_tensor(windows(*tf.unstack(found.upright)))
    ends = tf.strings.substr(content, -2, 2) == _END_OF_JPEG
    pixels, corner = tf.cond(
        (found.decoder == header_lib.Decoder.JPEG) & ends,
        lambda: _jpeg_part(content, found, boxes),
        lambda: (_whole(content, found), tf.zeros([2], tf.int32)),
    )
    moved = boxes - tf.concat([corner, [0, 0]], axis=0)
    return tf.ensure_shape(pixels, [None, None, 3]), moved


def resized(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes whole images bilinearly; the aspect ratio is not kept.

    Antialiased: otherwise shrinking a photograph to 32 pixels would read a few of its
    pixels and ignore the others. Antialiasing changes nothing when an image is enlarged.

    Args:
      images: `[H, W, C]` or `[N, H, W, C]`, values in 0..255.
      height, width: pixels.

    Returns:
      uint8, `[height, width, C]` or `[N, height, width, C]`, rounded to the nearest.
    """
    found = tf.image.resize(images, [height, width], antialias=True)
    # A cast of 255.00002 to uint8 would wrap round to 0.
    return tf.cast(tf.clip_by_value(tf.round(found), 0.0, 255.0), tf.uint8)


def centre(image: tf.Tensor, scaled_to: Sequence[int], image_shape: Sequence[int]) -> tf.Tensor:
    """An image as evaluation shows it: scaled, whatever its own shape, and cut to the centre.

    Args:
      image: `[H, W, C]` uint8 of any size.
      scaled_to: (height, width) before the centre is cut out.
      image_shape: (height, width, C) of the centre.

    Returns:
      `[height, width, C]` uint8.
    """
    # Resizing to the size that an image already has takes as long as decoding it.
    scaled = tf.cond(
        tf.reduce_all(tf.shape(image)[:2] == list(scaled_to)),
        lambda: image,
        lambda: resized(image, *scaled_to),
    )
    top, left = ((whole - side) // 2 for whole, side in zip(scaled_to, image_shape))
    part = scaled[top : top + image_shape[0], left : left + image_shape[1]]
    return tf.ensure_shape(part, list(image_shape))


def fault(content: bytes, rules: ImageRules = ImageRules()) -> str | None:
    """Says in a few words why an image cannot be decoded; None when it can."""
    try:
        if header_lib.read(content, rules).decoder == header_lib.Decoder.PILLOW:
            pillow.rgb(content)
        else:
            with tf.device("CPU:0"):
                rgb(tf.constant(content), rules)
    except Exception as error:  # Pillow raises errors of all kinds.
        reason = errors.one_line(error)
        if tf.io.is_jpeg(content) and not content.rstrip(b"\0").endswith(_END_OF_JPEG):
            return f"the JPEG is cut short ({reason})"
        return reason
    return None


def _header(content, rules):
    """`_Found` of an image."""
    numbers = tf.numpy_function(functools.partial(_read_header, rules), [content], tf.int32)
    numbers = tf.ensure_shape(numbers, [4])
    return _Found(numbers[0], numbers[1:3], numbers[3])


def _read_header(rules, content):
    return np.array(_called(header_lib.read, content, rules), np.int32)


def _decode_by_pillow(content):
    return _called(pillow.rgb, content)


def _called(function, content, *arguments):
    """Calls a function of encoded bytes, whose errors become one kind.

    Otherwise they would be of another kind in a graph, and a `StopIteration` would end a stream
    without an error.
    """
    try:
        # A graph gives bytes; eagerly it is an array without dimensions.
        return function(content if isinstance(content, bytes) else content.item(), *arguments)
    except Exception as error:
        raise _ImageError(None, None, errors.one_line(error)) from error


def _as_annotated(found, annotated):
    is_upright = tf.reduce_all(found.upright == annotated)
    is_stored = tf.reduce_all(found.stored == annotated)
    orientation = tf.where(is_stored & ~is_upright, 1, found.orientation)
    return found._replace(orientation=orientation)


def _whole(content, found):
    decoder = header_lib.Decoder
    pixels = tf.cond(
        found.decoder == decoder.PILLOW,
        lambda: tf.numpy_function(_decode_by_pillow, [content], tf.uint8),
        lambda: tf.cond(
            found.decoder == decoder.JPEG,
            lambda: tf.io.decode_jpeg(content, channels=3, dct_method=ARITHMETIC),
            lambda: tf.io.decode_png(content, channels=3),
        ),
    )
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    same = tf.debugging.assert_equal(
        tf.shape(pixels)[:2], found.stored, "the image has another size than its header says"
    )
    with tf.control_dependencies([same] if same is not None else []):
        return orientation_lib.upright(found.orientation, tf.identity(pixels))


def _jpeg_part(content, found, boxes):
    """(the part around all boxes, its corner in the upright image)."""
    corner = tf.maximum(tf.reduce_min(boxes[:, :2], axis=0) - _MARGIN, 0)
    end = tf.reduce_max(boxes[:, :2] + boxes[:, 2:], axis=0) + _MARGIN
    end = tf.minimum(end, found.upright)
    box = tf.concat([corner, end - corner], axis=0)
    pixels = tf.io.decode_and_crop_jpeg(
        content,
        orientation_lib.stored_box(found.orientation, box, found.upright),
        channels=3,
        dct_method=ARITHMETIC,
    )
    return orientation_lib.upright(found.orientation, pixels), corner
