"""A few pictures of squares, in COCO's format, for a detector to train on."""

from __future__ import annotations

import json
import pathlib

import numpy as np
from PIL import Image

SIDE = 64
_IMAGES = 4
_CLASSES = ("dark", "light")


def write(folder: pathlib.Path) -> None:
    """Writes both splits: each picture has a square of each class on noise of its own."""
    for split in ("train2017", "val2017"):
        (folder / split).mkdir()
        rows = [row for number in range(_IMAGES) for row in _picture(folder / split, number)]
        content = {
            "images": [
                {"id": number, "file_name": _name(number), "height": SIDE, "width": SIDE}
                for number in range(_IMAGES)
            ],
            "annotations": rows,
            "categories": [{"id": 1 + n, "name": name} for n, name in enumerate(_CLASSES)],
        }
        path = folder / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def _picture(folder, number):
    """Writes a picture; its annotations."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(96, 160, [SIDE, SIDE, 3], np.uint8)
    rows = []
    for category, value in enumerate((16, 240)):
        side = int(generator.integers(12, 24))
        # The two are never on top of each other.
        x = SIDE // 2 * category + int(generator.integers(0, SIDE // 2 - side))
        y = int(generator.integers(0, SIDE - side))
        pixels[y : y + side, x : x + side] = value
        corners = [x, y, x + side, y, x + side, y + side, x, y + side]
        rows.append(
            {
                "id": len(_CLASSES) * number + category + 1,
                "image_id": number,
                "category_id": 1 + category,
                "bbox": [x, y, side, side],
                "area": side * side,
                "iscrowd": 0,
                "segmentation": [corners],
            }
        )
    Image.fromarray(pixels).save(folder / _name(number))
    return rows


def _name(number):
    return f"{number}.png"
