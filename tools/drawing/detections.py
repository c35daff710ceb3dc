"""What a detector finds in drawn scenes that it was not trained on.

The detector's run is in results/drawn_scenes: its log, its result, and what it found.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np

from drawing import scenes, style
from kdcl_tf.detection import drawing

RUN = pathlib.Path(__file__).resolve().parents[2] / "results" / "drawn_scenes"
SHOWN = 4
_LEAST_SCORE = 0.5
# Pixels of a scene are shown as so many.
_LARGER = 3
ALT = (
    "Four drawn scenes of discs, squares, triangles and stars on textured ground, with the boxes, "
    "names and scores of the objects that a detector found in them. It was trained on other scenes."
)


def found(seed: int) -> list[dict]:
    """The detections in one scene that are likely enough to show."""
    listed = json.loads((RUN / "detections.json").read_text())
    return [
        each for each in listed if each["image_id"] == seed + 1 and each["score"] >= _LEAST_SCORE
    ]


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    first, count = scenes.SPLITS["val2017"]
    # The first scenes with several objects.
    seeds = [seed for seed in range(first, first + count) if len(scenes.scene(seed)[1]) > 2]
    result = json.loads((RUN / "result.json").read_text())
    figure, (axes,) = style.new(2.65, columns=SHOWN)
    for place, seed in zip(axes, seeds):
        place.imshow(_picture(seed))
        style.without_axes(place)
    figure.suptitle(
        f"Objects that a detector found in drawn scenes (box AP {100 * result['test_box_ap']:.0f} "
        f"on {count} of them, seed {result['settings']['seed']})",
        fontsize=11,
    )
    style.save(figure, path)


def _picture(seed):
    pixels, _ = scenes.scene(seed)
    large = np.repeat(np.repeat(pixels, _LARGER, axis=0), _LARGER, axis=1)
    detections = found(seed)
    boxes = np.array([each["bbox"] for each in detections], float).reshape(-1, 4) * _LARGER
    boxes[:, 2:] += boxes[:, :2]
    names = [scenes.KINDS[each["category_id"] - 1] for each in detections]
    return drawing.draw(large, boxes, [each["score"] for each in detections], names)
