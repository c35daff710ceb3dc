"""What a detector finds in drawn scenes that it was not trained on.

The detector's run is in results/drawn_scenes: its log, its result, and what it found.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

from matplotlib.patches import Rectangle

from drawing import scenes, style

RUN = pathlib.Path(__file__).resolve().parents[2] / "results" / "drawn_scenes"
SHOWN = 4
_LEAST_SCORE = 0.5
# Of boxes that overlap by more than this, only the surest is shown, whatever its kind.
_MOST_OVERLAP = 0.5
# Width and height of a label, in pixels of a scene.
_LABEL = (66, 15)
ALT = (
    "Four drawn scenes of discs, squares, triangles and stars on textured ground, with the boxes, "
    "names and scores of the objects that a detector found in them. It was trained on other "
    "scenes, and takes some objects for another kind."
)


def found(seed: int) -> list[dict]:
    """The detections in one scene that are shown, the surest first."""
    listed = json.loads((RUN / "detections.json").read_text())
    mine = [each for each in listed if each["image_id"] == seed + 1]
    shown = []
    for each in sorted(mine, key=lambda each: -each["score"]):
        is_new = all(overlap(each["bbox"], other["bbox"]) <= _MOST_OVERLAP for other in shown)
        if each["score"] >= _LEAST_SCORE and is_new:
            shown.append(each)
    return shown


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes `(x, y, width, height)`."""
    sides = [
        min(one[axis] + one[axis + 2], other[axis] + other[axis + 2]) - max(one[axis], other[axis])
        for axis in (0, 1)
    ]
    both = max(sides[0], 0.0) * max(sides[1], 0.0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    first, count = scenes.SPLITS["val2017"]
    # The first scenes with several objects.
    seeds = [seed for seed in range(first, first + count) if len(scenes.scene(seed)[1]) > 2]
    result = json.loads((RUN / "result.json").read_text())
    figure, (axes,) = style.new(2.4, columns=SHOWN)
    for place, seed in zip(axes, seeds):
        place.imshow(scenes.scene(seed)[0])
        style.without_axes(place)
        _boxes(place, found(seed))
    figure.suptitle(
        f"What a detector found in drawn scenes (box AP {100 * result['test_box_ap']:.0f} "
        f"on {count} of them, seed {result['settings']['seed']})",
        fontsize=11,
    )
    style.save(figure, path)


def _boxes(axes, detections):
    """White boxes with a dark rim, which show on light and dark ground, and their names."""
    taken = []
    # From top to bottom: labels of the highest boxes have the fewest places.
    for detection in sorted(detections, key=lambda each: each["bbox"][1]):
        x, y, width, height = detection["bbox"]
        for colour, line in ((style.INK, 3.0), (style.PAPER, 1.4)):
            axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour,
                                     linewidth=line))  # fmt: skip
        left, top = _free(detection["bbox"], taken)
        taken.append((left, top, *_LABEL))
        name = scenes.KINDS[detection["category_id"] - 1]
        axes.text(
            left + 1,
            top + _LABEL[1] / 2,
            f"{name} {detection['score']:.2f}",
            fontsize=8,
            va="center",
            color=style.INK,
            bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.8},
            zorder=3,
        )


def _free(box, taken):
    """Left and top of a label above a box or below it, where it hides the least of others."""
    x, y, width, height = box
    most = scenes.SIDE - _LABEL[0]
    # Along the left side of the box, in its middle, or along its right side.
    lefts = [x, x + (width - _LABEL[0]) / 2, x + width - _LABEL[0]]
    tops = [y - _LABEL[1] - 2, y + height + 2]
    places = [(min(max(left, 0), most), top) for top in tops for left in lefts]
    inside = [(x, y) for x, y in places if 0 <= y <= scenes.SIDE - _LABEL[1]]
    return min(inside, key=lambda each: sum(overlap((*each, *_LABEL), one) for one in taken))
