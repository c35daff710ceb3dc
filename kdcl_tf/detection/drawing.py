"""Pictures of detections: boxes, names with scores, translucent masks."""

from __future__ import annotations

import colorsys
import io
import os
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdcl_tf import files

# The opacity of a mask's colour over the image.
_OPACITY = 0.45

# The golden ratio: hues of numbers that follow each other are far apart.
_TURN = 0.618034


def draw(
    image: np.ndarray,
    boxes: np.ndarray,
    scores: Sequence[float],
    names: Sequence[str],
    masks: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Draws n objects on an image, that of the highest score on top.

    Args:
      image: `[H, W, 3]` uint8.
      boxes: `[n, 4]`, `[x1, y1, x2, y2]` in pixels.
      scores: `[n]`, 0..1.
      names: `[n]`, of the objects' classes, each of which has its colour.
      masks: `[n, H, W]`, 0 or 1.

    Returns:
      `[H, W, 3]` uint8, a new array.
    """
    order = np.argsort(np.asarray(scores, np.float64), kind="stable")
    colours = [colour(name) for name in names]
    if masks is not None:
        image = _tinted(image, [masks[each] for each in order], [colours[each] for each in order])
    picture = Image.fromarray(np.asarray(image, np.uint8)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    line = max(1, round(min(picture.size) / 200))
    labels = [f"{name} {score:.2f}" for name, score in zip(names, scores)]
    font, labels = _written(labels, max(10, round(min(picture.size) / 32)))
    for each in order:
        pen.rectangle(_pixels(boxes[each]), outline=colours[each], width=line)
    # After all boxes, whose lines would cross the labels.
    for each in order:
        _label(pen, boxes[each], picture.width, labels[each], font, colours[each])
    return np.array(picture)


def _pixels(box):
    """The first and the last pixels of a box, whose right and bottom are the first outside of it."""
    left, top, right, bottom = np.asarray(box, np.float64).tolist()
    return [left, top, max(left, right - 1), max(top, bottom - 1)]


def colour(name: str) -> tuple[int, int, int]:
    """The colour of a class, (red, green, blue), the same in every picture."""
    number = zlib.crc32(name.encode())
    hue, depth = number * _TURN % 1.0, number % 3
    saturation, value = ((0.9, 0.7), (0.6, 0.95), (0.95, 1.0))[depth]
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))


def write(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a PNG of `[H, W, 3]` uint8."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    files.write_bytes(path, content.getvalue())


def _written(labels, size):
    """A font that has the letters of all labels, and the labels; other letters are escaped."""
    if all(label.isascii() for label in labels):
        return ImageFont.load_default(size=size), labels
    # Pillow's own has little more than ASCII.
    from matplotlib import font_manager, ft2font

    path = font_manager.findfont("DejaVu Sans")
    known = ft2font.FT2Font(path).get_charmap()
    shown = [
        "".join(each if ord(each) in known else _escaped(each) for each in label)
        for label in labels
    ]
    return ImageFont.truetype(path, size), shown


def _escaped(letter):
    return letter.encode("ascii", "backslashreplace").decode()


def _tinted(image, masks, colours):
    tinted = image.astype(np.float32)
    for mask, each in zip(masks, colours):
        inside = np.asarray(mask, bool)
        tinted[inside] += _OPACITY * (np.array(each, np.float32) - tinted[inside])
    return np.round(tinted).astype(np.uint8)


def _label(pen, box, limit, text, font, background):
    """Above the box, or inside its top where the picture has no room above."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(float(box[0]), limit - width))
    y = max(0, float(box[1]))
    y = y - height if y >= height else y
    pen.rectangle([x, y, x + width, y + height], fill=background)
    light = np.dot(background, [0.299, 0.587, 0.114]) > 140
    pen.text((x + 2 - left, y + 2 - top), text, font=font, fill="black" if light else "white")
