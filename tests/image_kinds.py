"""Files of every kind of image, also of those that Pillow reads and does not write."""

import io
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

from tests import image_files

PHOTO = image_files.photo(height=37, width=45)
OTHER = image_files.photo(seed=1, height=37, width=45)

# Adam7: first row and column of each pass, and the steps between.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
_PASSES += ((1, 0, 2, 1),)


def png(pixels, interlaced=False):
    """A PNG of `[H, W]` or `[H, W, 3]` uint8 or uint16."""
    depth, colour = 8 * pixels.dtype.itemsize, 2 if pixels.ndim == 3 else 0
    raw = pixels.astype(pixels.dtype.newbyteorder(">"))
    passes = [raw[a::c, b::d] for a, b, c, d in _PASSES] if interlaced else [raw]
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], depth, colour, 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks)


def png_chunk(kind, data):
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def empty_png(height, width):
    """A PNG that claims to be of this size, and has next to no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*each) for each in chunks)


def bmp(positions, palette, bits):
    """A BMP of 1, 2 or 4 bits a pixel: `[H, W]` positions in a palette `[n, 3]`."""
    colours = b"".join(bytes((*colour[::-1], 0)) for colour in palette.tolist())
    height, width = positions.shape
    each = 8 // bits
    rows = np.pad(positions, [[0, 0], [0, -width % (4 * each)]]).reshape(height, -1, each)
    shifts = 8 - bits * (1 + np.arange(each))
    data = (rows << shifts).sum(axis=-1).astype(np.uint8)[::-1].tobytes()
    start = 54 + len(colours)
    header = struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
    info = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(data), 0, 0, len(palette), 0
    )
    return header + info + colours + data


def grey_tiff(width, bits, data, sample_format=1, photometric=1):
    """A TIFF of one row of grey.

    `sample_format` 1 is without signs, 2 with, 3 floating point; with `photometric` 0, 0 is white,
    and with None nothing says so.
    """
    short, long = (3, "<HHIHxx"), (4, "<HHII")
    tags = (
        (256, short, width),
        (257, short, 1),
        (258, short, bits),
        (259, short, 1),  # No compression.
        *([] if photometric is None else [(262, short, photometric)]),
        (273, long, 8),  # Where the row begins.
        (277, short, 1),
        (278, short, 1),
        (279, long, len(data)),
        (339, short, sample_format),
    )
    return _tiff(tags, data)


def _tiff(tags, data):
    entries = b"".join(
        struct.pack(layout, tag, kind, 1, value) for tag, (kind, layout), value in tags
    )
    header = b"II*\0" + struct.pack("<I", 8 + len(data))
    return header + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiled_tiff(height, width, tile):
    """A grey TIFF of one black tile of `tile` pixels on each side, of which next to none are there."""
    data = zlib.compress(bytes(1000))
    short, long = (3, "<HHIHxx"), (4, "<HHII")
    tags = (
        (256, long, width),
        (257, long, height),
        (258, short, 8),
        (259, short, 8),  # Compressed as by zlib.
        (262, short, 1),
        (277, short, 1),
        (322, long, tile),
        (323, long, tile),
        (324, long, 8),  # Where the tile begins.
        (325, long, len(data)),
    )
    return _tiff(tags, data)


def with_alpha():
    """`[H, W, 4]`: the photograph, from transparent to opaque."""
    alpha = np.broadcast_to(np.linspace(0, 255, 45).astype(np.uint8), [37, 45])
    return np.dstack([PHOTO, alpha])


def _saved(images, kind, mode=None, **options):
    images = [Image.fromarray(each) for each in images]
    images = [each.convert(mode) if mode else each for each in images]
    content = io.BytesIO()
    more = {"save_all": True, "append_images": images[1:]} if len(images) > 1 else {}
    images[0].save(content, kind, **more, **options)
    return content.getvalue()


def files():
    """`{name: bytes}` of images whose pixels are those that Pillow's `convert("RGB")` gives."""
    photo, frames, alpha = [PHOTO], [PHOTO, OTHER], [with_alpha()]
    jpeg = {
        "baseline": _saved(photo, "JPEG"),
        "progressive": _saved(photo, "JPEG", progressive=True),
        "grey": _saved(photo, "JPEG", "L"),
        "cmyk": _saved(photo, "JPEG", "CMYK"),
        "full_colour": _saved(photo, "JPEG", subsampling=0, quality=98),
    }
    palettes = {f"png_{bits}_bits": _saved(photo, "PNG", "P", bits=bits) for bits in (1, 2, 4, 8)}
    pngs = {mode: _saved(photo, "PNG", mode) for mode in ("RGB", "L", "1")}
    pngs |= {mode: _saved(alpha, "PNG", mode) for mode in ("RGBA", "LA")}
    pngs["transparent_palette"] = _saved(photo, "PNG", "P", transparency=bytes(range(256)))
    pngs["transparent_colour"] = _saved(photo, "PNG", transparency=tuple(PHOTO[0, 0].tolist()))
    pngs["interlaced"] = png(PHOTO, interlaced=True)
    pngs["interlaced_grey"] = png(PHOTO[..., 0], interlaced=True)
    pngs["16_bits"] = png(PHOTO.astype(np.uint16) * 256 + 77)
    pngs["16_bits_interlaced"] = png(PHOTO.astype(np.uint16) * 256 + 77, interlaced=True)
    pngs["animated"] = _saved(frames, "PNG")
    webp = {
        "lossy": _saved(photo, "WEBP"),
        "lossless": _saved(photo, "WEBP", lossless=True),
        "alpha": _saved(alpha, "WEBP", lossless=True, exact=True),
        "lossy_alpha": _saved(alpha, "WEBP"),
        "animated": _saved(frames, "WEBP"),
        "animated_alpha": _saved([with_alpha(), with_alpha()[::-1]], "WEBP"),
    }
    gif = {
        "still": _saved(photo, "GIF"),
        "grey": _saved(photo, "GIF", "L"),
        "animated": _saved(frames, "GIF"),
        "transparent": _saved(photo, "GIF", "P", transparency=3),
    }
    rng = np.random.default_rng(0)
    bmps = {mode: _saved(photo, "BMP", mode) for mode in ("RGB", "L", "P", "1")}
    bmps["RGBA"] = _saved(alpha, "BMP")
    for bits in (1, 4):
        positions = rng.integers(0, 2**bits, [37, 45])
        bmps[f"{bits}_bits"] = bmp(positions, rng.integers(0, 256, [2**bits, 3]), bits)
    tiff = {mode: _saved(photo, "TIFF", mode) for mode in ("RGB", "L", "P", "1", "CMYK", "YCbCr")}
    if int(PIL.__version__.partition(".")[0]) < 13:
        # What it writes in this mode, Pillow itself could not read before.
        del tiff["YCbCr"]
    tiff["RGBA"] = _saved(alpha, "TIFF")
    tiff["frames"] = _saved(frames, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        tiff[compression] = _saved(photo, "TIFF", compression=compression)
    kinds = {"jpeg": jpeg, "png": pngs, "webp": webp, "gif": gif, "bmp": bmps, "tiff": tiff}
    named = {f"{kind}_{name}": c for kind, found in kinds.items() for name, c in found.items()}
    return named | palettes


def by_pillow(content):
    """`[H, W, 3]` int64: what Pillow makes of an image."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def turned(kind, orientation, pixels=PHOTO):
    """An image whose EXIF says that it is to be turned; lossless, except JPEG."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    return image_files.encode(pixels, kind, exif=exif, **options)


def transposed(content):
    """`[H, W, 3]` int64: the upright pixels that Pillow gives."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)


def empty_webp(height, width):
    """A WebP with metadata that claims to be of this size, and has no pixels."""
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def empty_gif(height, width):
    """A GIF that claims to be of this size, and has next to no pixels."""
    palette = bytes(range(6))
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2L\1\0;"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + palette + frame
