"""What the header of an encoded image says: its size, its orientation, and who can decode it."""

from __future__ import annotations

import enum
from typing import NamedTuple

from PIL import Image

from kdcl_tf.data.formats import pillow
from kdcl_tf.data.formats.rules import ImageRules

# Markers of a JPEG: those without a length; frames (their second half are the kinds that
# few decoders know); the start of the pixels and the end.
_BARE = {0x00, 0x01, *range(0xD0, 0xD9)}
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_PLAIN_FRAMES = {0xC0, 0xC1, 0xC2}
_PIXELS, _END = 0xDA, 0xD9
_EXIF_OR_XMP = 0xE1

# Chunks of a PNG that may hold an orientation, with the beginning of their data.
_PNG_METADATA = (
    b"eXIf",
    b"tEXtRaw profile type exif",
    b"zTXtRaw profile type exif",
    b"iTXtRaw profile type exif",
    b"tEXtXML:com.adobe.xmp",
    b"zTXtXML:com.adobe.xmp",
    b"iTXtXML:com.adobe.xmp",
)


class Decoder(enum.IntEnum):
    """Who decodes an image: TensorFlow where its pixels are Pillow's, else Pillow."""

    JPEG = 0
    PNG = 1
    PILLOW = 2


class Header(NamedTuple):
    """The facts that decide how an image is decoded.

    Attributes:
      decoder: a `Decoder`.
      height, width: pixels, as stored: before the image is turned.
      orientation: EXIF's, 1 to 8.
    """

    decoder: int
    height: int
    width: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) after the image is turned."""
        sides = self.height, self.width
        return sides[::-1] if self.orientation >= 5 else sides


def read(content: bytes, rules: ImageRules = ImageRules()) -> Header:
    """Reads a header; no memory is taken for pixels before their number is checked.

    Args:
      content: the bytes of the file.
      rules: the most pixels; without `apply_exif_orientation` the orientation is 1.

    Raises:
      ValueError: for an image of another kind, without a size, or with too many pixels.
      Exception: whatever Pillow raises for a damaged header.
    """
    if not content:
        raise ValueError("the file is empty")
    if content.startswith(b"\xff\xd8\xff"):
        found = _jpeg(content, rules)
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        found = _png(content, rules)
    else:
        found = _other(content, rules)
    return found if rules.apply_exif_orientation else found._replace(orientation=1)


def _jpeg(content, rules):
    """Walks over the segments up to the pixels; Pillow reads EXIF where there is any."""
    position, frame, components, has_exif, size = 2, 0, 0, False, (0, 0)
    while 0 <= position < len(content) - 4:
        marker = content[position + 1]
        if content[position] != 0xFF:
            position = content.find(b"\xff", position)
        elif marker == 0xFF:
            position += 1
        elif marker in _BARE:
            position += 2
        elif marker in (_PIXELS, _END):
            break
        else:
            if marker in _FRAMES and not frame:
                frame, components = marker, content[position + 9 : position + 10]
                size = _big(content, position + 5, 2), _big(content, position + 7, 2)
            has_exif |= marker == _EXIF_OR_XMP
            position += 2 + _big(content, position + 2, 2)
    if not frame:
        raise ValueError("expected the size of a JPEG in its header; got none")
    rules.check_pixels(*size)
    is_plain = frame in _PLAIN_FRAMES and components in (b"\1", b"\3")
    orientation = pillow.orientation_of(content) if has_exif else 1
    return Header(Decoder.JPEG if is_plain else Decoder.PILLOW, *size, orientation)


def _png(content, rules):
    if content[12:16] != b"IHDR" or len(content) < 29:
        raise ValueError("expected the size of a PNG in its header; got none")
    size = _big(content, 20, 4), _big(content, 16, 4)
    rules.check_pixels(*size)
    bits, interlaced = content[24], content[28]
    is_plain = bits == 8 and not interlaced
    return Header(Decoder.PNG if is_plain else Decoder.PILLOW, *size, _png_orientation(content))


def _png_orientation(content):
    """Opens the image only if a chunk says that there is something to find, and where."""
    position, behind, found = 8, False, set()
    while position + 8 <= len(content):
        behind |= content.startswith(b"IDAT", position + 4)
        if content.startswith(_PNG_METADATA, position + 4):
            found.add(behind)
        position += 12 + _big(content, position, 4)
    return pillow.orientation_of(content, load=True in found) if found else 1


def _other(content, rules):
    """GIF, BMP, TIFF and WebP."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        # Pillow takes memory for the pixels when it opens one.
        rules.check_pixels(*_webp_size(content))
    image = pillow.opened(content)
    width, height = _stored_size(image)
    rules.check_pixels(height, width)
    _check_tiles(image, rules)
    return Header(Decoder.PILLOW, height, width, pillow.orientation(image))


def _stored_size(image: Image.Image):
    """(width, height); Pillow gives the upright one of a TIFF image."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(256, image.size[0])), int(tags.get(257, image.size[1]))


def _check_tiles(image, rules):
    """Memory is taken for a whole tile of a TIFF image, however few pixels the image has."""
    tags = getattr(image, "tag_v2", {})
    if 322 in tags and 323 in tags:
        rules.check_pixels(int(tags[323]), int(tags[322]))


def _webp_size(content):
    """(height, width), of a file with or without metadata, lossy or lossless."""
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + _little(content, 27, 3), 1 + _little(content, 24, 3)
    if kind == b"VP8L":
        bits = _little(content, 21, 4)
        return 1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)
    return _little(content, 28, 2) & 0x3FFF, _little(content, 26, 2) & 0x3FFF


def _big(content, start, size):
    return int.from_bytes(content[start : start + size], "big")


def _little(content, start, size):
    return int.from_bytes(content[start : start + size], "little")
