"""Decodes images, whole or only the part that is needed, and resizes them.

Everything here works eagerly and in a graph.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from kdcl_tf.data import errors

# A JPEG stores colour at half the resolution, and its decoder interpolates: near the border
# of a part, colours differ from those of the whole. Two pixels further in they are equal.
_MARGIN = 2

_END_OF_JPEG = b"\xff\xd9"


def rgb(content: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG, PNG, GIF, BMP or WebP image, whatever its file is called.

    Grey, palette and CMYK images become RGB, 16 bits become 8, alpha is dropped,
    of an animation the first frame counts, EXIF orientation is ignored.

    Args:
      content: scalar string, the bytes of the file.

    Returns:
      `[H, W, 3]` uint8.

    Raises:
      tf.errors.InvalidArgumentError: when it is not such an image, or is damaged.
    """
    content = tf.convert_to_tensor(content, tf.string)
    pixels = tf.cond(
        tf.strings.substr(content, 0, 2) == b"BM",
        lambda: _bmp(content),
        lambda: tf.io.decode_image(content, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(pixels, [None, None, 3])


def parts(
    content: tf.Tensor, windows: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the part of an image that several windows show, once for all of them.

    Of a JPEG only the smallest rectangle around all windows is decoded; its pixels are
    those of the whole image. Other types are decoded whole. So are JPEGs without an end
    marker, so that a truncated one is refused whatever the windows are.

    Args:
      content: scalar string, the bytes of the file.
      windows: maps scalar int32 height and width to `[M, 4]` int32 rows (top,
        left, height, width) inside the image.

    Returns:
      (the part, `[H, W, 3]` uint8; the same windows relative to its corner).

    Raises:
      tf.errors.InvalidArgumentError: as `rgb`.
    """
    ends = tf.strings.substr(content, -2, 2) == _END_OF_JPEG
    pixels, moved = tf.cond(
        tf.io.is_jpeg(content) & ends,
        lambda: _jpeg_part(content, windows),
        lambda: _whole(content, windows),
    )
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


def fault(content: bytes) -> str | None:
    """Says in a few words why an image cannot be decoded; None when it can."""
    if not content:
        return "the file is empty"
    try:
        with tf.device("CPU:0"):
            rgb(tf.constant(content))
    except tf.errors.OpError as error:
        reason = errors.one_line(error)
        if tf.io.is_jpeg(content) and not content.rstrip(b"\0").endswith(_END_OF_JPEG):
            return f"the JPEG is cut short ({reason})"
        return reason
    return None


def _whole(content, windows):
    pixels = rgb(content)
    shape = tf.shape(pixels)
    return pixels, windows(shape[0], shape[1])


def _jpeg_part(content, windows):
    shape = tf.io.extract_jpeg_shape(content)
    boxes = windows(shape[0], shape[1])
    corner = tf.maximum(tf.reduce_min(boxes[:, :2], axis=0) - _MARGIN, 0)
    end = tf.reduce_max(boxes[:, :2] + boxes[:, 2:], axis=0) + _MARGIN
    end = tf.minimum(end, shape[:2])
    box = tf.concat([corner, end - corner], axis=0)
    pixels = tf.io.decode_and_crop_jpeg(content, box, channels=3)
    return pixels, boxes - tf.concat([corner, [0, 0]], axis=0)


def _bmp(content):
    """Decodes a BMP. TensorFlow's decoder does not convert the number of channels, and for
    8 bits a pixel it returns positions in the palette instead of colours.
    """
    image = tf.io.decode_bmp(content)
    return tf.cond(
        tf.shape(image)[-1] > 1, lambda: image[..., :3], lambda: _coloured(content, image[..., 0])
    )


def _coloured(content, positions):
    """The colours of a BMP's palette, which are stored as blue, green, red, unused."""
    start = 14 + _number(content, 14)
    colours = (_number(content, 10) - start) // 4
    palette = tf.io.decode_raw(tf.strings.substr(content, start, 4 * colours), tf.uint8)
    return tf.gather(tf.reshape(palette, [-1, 4])[:, 2::-1], tf.cast(positions, tf.int32))


def _number(content, start):
    """The little-endian 32-bit number at byte `start`."""
    return tf.io.decode_raw(tf.strings.substr(content, start, 4), tf.int32)[0]
