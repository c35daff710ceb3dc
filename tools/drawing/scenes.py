"""Drawn scenes of shapes with their boxes, for a picture that may be shown everywhere.

The photographs of COCO belong to their photographers, so a detection is shown on drawings: shapes
of four kinds on a textured ground, as a folder in COCO's format.

    python tools/drawing/scenes.py FOLDER
"""

from __future__ import annotations

import json
import math
import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

KINDS = ("disc", "square", "triangle", "star")
SIDE = 160
# Scenes of each split: the seed of the first, and how many.
SPLITS = {"train2017": (0, 96), "val2017": (1000, 24)}
_MOST_OBJECTS = 4
# Drawn so many times as large, and made smaller, so that edges are smooth.
_LARGER = 4


def scene(seed: int) -> tuple[np.ndarray, list[tuple[str, tuple[float, ...]]]]:
    """One scene.

    Args:
      seed: decides everything in it.

    Returns:
      `(image, objects)`: `[SIDE, SIDE, 3]` uint8, and of each object its kind and its polygon
      `(x, y, x, y, ...)` in pixels.  No two boxes overlap by much.
    """
    random = np.random.default_rng(seed)
    picture = _ground(random)
    pen = ImageDraw.Draw(picture)
    objects, boxes = [], []
    for _ in range(random.integers(1, _MOST_OBJECTS + 1)):
        polygon = _placed(random, boxes)
        if polygon is None:
            continue
        kind, points = polygon
        pen.polygon([tuple(_LARGER * point) for point in points], fill=_colour(random))
        objects.append((kind, tuple(float(each) for each in points.ravel())))
    small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small), objects


def _ground(random):
    """Blurred noise around one colour, so that the ground has structure of its own."""
    side = _LARGER * SIDE
    grains = random.normal(0.0, 22.0, (SIDE // 4, SIDE // 4, 3)) + random.uniform(90, 165, 3)
    noise = Image.fromarray(np.clip(grains, 0, 255).astype(np.uint8)).resize((side, side))
    return noise.filter(ImageFilter.GaussianBlur(8))


def _colour(random):
    """A colour that is far from grey."""
    colour = random.permutation([random.integers(0, 60), random.integers(60, 200),
                                 random.integers(200, 256)])  # fmt: skip
    return tuple(int(each) for each in colour)


def _placed(random, boxes):
    """A shape whose box hardly meets those before; None where no place was found."""
    for _ in range(20):
        kind = KINDS[random.integers(len(KINDS))]
        radius = random.uniform(0.08, 0.22) * SIDE
        centre = random.uniform(radius, SIDE - radius, 2)
        points = centre + radius * _outline(kind, random.uniform(0, 2 * math.pi))
        box = box_of(points.ravel())
        if all(_gap(box, other) for other in boxes):
            boxes.append(box)
            return kind, points
    return None


def _outline(kind, turn):
    """Corners of a shape around 0 with radius 1, `[n, 2]`."""
    count = {"disc": 48, "square": 4, "triangle": 3, "star": 10}[kind]
    angles = turn + 2 * math.pi * np.arange(count) / count
    radii = np.where(np.arange(count) % 2, 0.42, 1.0) if kind == "star" else np.ones(count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def box_of(polygon) -> tuple[float, float, float, float]:
    """`(x, y, width, height)` of a polygon `(x, y, x, y, ...)`."""
    points = np.reshape(polygon, (-1, 2))
    low, high = points.min(0), points.max(0)
    return (*map(float, low), *map(float, high - low))


def _gap(one, other, pixels=3.0):
    """Whether two boxes are some pixels apart."""
    return any(
        one[axis] + one[axis + 2] + pixels < other[axis]
        or other[axis] + other[axis + 2] + pixels < one[axis]
        for axis in (0, 1)
    )


def _area(polygon):
    x, y = np.reshape(polygon, (-1, 2)).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def write(folder: pathlib.Path) -> None:
    """Writes all scenes as a folder in COCO's format."""
    categories = [{"id": number, "name": kind} for number, kind in enumerate(KINDS, 1)]
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for split, (first, count) in SPLITS.items():
        (folder / split).mkdir(exist_ok=True)
        images, annotations = [], []
        for seed in range(first, first + count):
            pixels, objects = scene(seed)
            name = f"{seed + 1:06}.png"
            Image.fromarray(pixels).save(folder / split / name)
            images.append({"id": seed + 1, "file_name": name, "height": SIDE, "width": SIDE})
            annotations += [
                {
                    "id": 10 * (seed + 1) + number,
                    "image_id": seed + 1,
                    "category_id": 1 + KINDS.index(kind),
                    "bbox": box_of(polygon),
                    "area": _area(polygon),
                    "iscrowd": 0,
                    "segmentation": [polygon],
                }
                for number, (kind, polygon) in enumerate(objects)
            ]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scenes.py FOLDER, which is made")
    write(pathlib.Path(sys.argv[1]))
