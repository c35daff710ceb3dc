"""Opens and decodes images with Pillow, which reads kinds that TensorFlow does not."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

_ORIENTATION, _BITS_A_CHANNEL = 0x0112, 0x0102
# Of grey TIFF images: 0 where 0 is white, 1 where it is black.
_PHOTOMETRIC_INTERPRETATION = 0x0106

# The classes themselves: `Image.open` has a limit of pixels for the whole process, and opens
# kinds for which it would start other programs.
_CLASSES = (
    ((b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    ((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ((b"BM",), BmpImagePlugin.BmpImageFile),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), TiffImagePlugin.TiffImageFile),
)

# What takes an upright image back to how it is stored, by its orientation.
_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def opened(content: bytes) -> Image.Image:
    """The image of a file, of which only the header has been read.

    Of WebP, memory for all pixels is taken: check their number first.

    Raises:
      ValueError: when it is no JPEG, PNG, GIF, BMP, WebP or TIFF image.
      Exception: whatever Pillow raises for a damaged header.
    """
    if content[:2] == b"BM" and _has_2_bits(content):
        content = _eight_bit_bmp(content)
    for prefixes, kind in _CLASSES:
        if content.startswith(prefixes):
            return kind(io.BytesIO(content))
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile(io.BytesIO(content))
    raise ValueError("expected a JPEG, PNG, GIF, BMP, WebP or TIFF image; got none of these")


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it is damaged.

    As `PIL.ImageOps.exif_transpose` finds it, in XMP too, but without decoding the image.
    """
    try:
        # The method of PNG images would decode them to look behind the pixels.
        found = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # Whatever Pillow raises: an image is not bad because its EXIF is.
        return 1
    return int(found) if found in range(1, 9) else 1


def orientation_of(content: bytes, load: bool = False) -> int:
    """`orientation` of an encoded image; with `load`, it may stand behind the pixels."""
    try:
        image = opened(content)
        if load:
            image.load()
    except Exception:  # As in `orientation`; who decodes the image finds what is wrong with it.
        return 1
    return orientation(image)


def rgb(content: bytes) -> np.ndarray:
    """The pixels of the first frame as they are stored, `[H, W, 3]` uint8.

    As `PIL.Image.Image.convert("RGB")`: alpha is dropped, not blended with a background;
    but of 12 or 16 bits of grey the high 8 are taken, which Pillow would clip.

    Raises:
      ValueError: for grey of 32 bits, with signs or of floating point, as TIFF may hold: what is
        black and what white there, only its writer knows.
      Exception: as `opened`; whatever Pillow raises for damaged pixels.
    """
    with opened(content) as image:
        stored = orientation(image)
        image.load()
        # Pillow itself turns TIFF images upright while it loads them.
        is_turned = stored != orientation(image)
        found = _eight_bits(image)
        # Else Pillow warns that it is lost.
        found.info.pop("transparency", None)
        found = found.convert("RGB")
        return np.asarray(found.transpose(_BACK[stored]) if is_turned else found)


def _has_2_bits(content):
    """Whether a BMP has 2 bits a pixel; OS/2's header of 12 bytes has other facts at that place."""
    return int.from_bytes(content[14:18], "little") >= 40 and content[28:30] == b"\2\0"


def _eight_bit_bmp(content):
    """The same BMP with 8 bits a pixel instead of 2, which Pillow does not read."""
    start, width, height = struct.unpack_from("<10xI4xii", content)
    bytes_a_row = (2 * width + 31) // 32 * 4
    rows = np.frombuffer(content, np.uint8, bytes_a_row * abs(height), start)
    positions = (rows[:, None] >> np.array([6, 4, 2, 0], np.uint8)) & 3
    positions = positions.reshape(abs(height), -1)[:, : (width + 3) // 4 * 4]
    header = bytearray(content[:start])
    struct.pack_into("<H", header, 28, 8)
    # How many colours there are; 0 stands for as many as the bits can number.
    struct.pack_into("<I", header, 46, struct.unpack_from("<I", content, 46)[0] or 4)
    return bytes(header) + positions.tobytes()


def _eight_bits(image):
    """An image of whole numbers up to 4095 or 65535 as one of their high 8 bits."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # Pillow's modes do not tell the 12 bits that TIFF may have from 16.
        bits = image.tag_v2[_BITS_A_CHANNEL][0] if image.format == "TIFF" else 16
        high = np.asarray(image).astype(np.uint16) >> (bits - 8)
        # Of fewer bits Pillow itself makes 0 black, also where the tag is left out.
        if image.format == "TIFF" and not image.tag_v2.get(_PHOTOMETRIC_INTERPRETATION, 0):
            high = 255 - high
        return Image.fromarray(high.astype(np.uint8))
    if image.mode in ("I", "F"):
        got = "floating point" if image.mode == "F" else "32 bits or with signs"
        raise ValueError(
            f"expected 8 or 16 bits a channel, without signs; got {got}: convert the image"
        )
    return image.convert("RGBA") if image.mode == "RGBa" else image
