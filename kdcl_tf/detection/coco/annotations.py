"""One annotation file of COCO, `instances_*.json`, read and checked."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kdcl_tf.data import errors
from kdcl_tf.detection.scenes import segmentations as segmentations_lib

_PARTS = ("images", "annotations", "categories")
_SEGMENTATION = "polygons of x, y of 3 corners or more each, or an RLE of the image's size"


@dataclasses.dataclass(frozen=True, eq=False)
class Instances:
    """What a file says of N images and A annotations.

    Attributes:
      file: its path.
      ids: `[N]` int64, of the images.
      names: `[N]`, their files.
      sizes: `[N, 2]` int32, (height, width).
      owners: `[A]` int64, the image of each annotation, a position in `ids`.
      boxes: `[A, 4]` float64, `[x1, y1, x2, y2]`, finite; perhaps without area.
      classes: `[A]` int32.
      crowds: `[A]` bool.
      areas: `[A]` float64.
      annotation_ids: `[A]` int64.
      segmentations: `[A]`, or None when they were not asked for.
      category_ids: `[C]`, rising; a class is a position in it.
      class_names: `[C]`.
    """

    file: pathlib.Path
    ids: np.ndarray
    names: Sequence[str]
    sizes: np.ndarray
    owners: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    crowds: np.ndarray
    areas: np.ndarray
    annotation_ids: np.ndarray
    segmentations: segmentations_lib.Packed | None
    category_ids: tuple[int, ...]
    class_names: tuple[str, ...]


def read(file: pathlib.Path, masks: bool) -> Instances:
    """Reads a file, and looks at every value that is used.

    Refused are: a category, an image or an annotation whose id another has, an annotation
    of an unknown image or category, a file that is listed twice, a missing or malformed
    value. An annotation without `iscrowd` is no crowd. Images without
    annotations, and boxes without area, are not refused.

    Args:
      file: path.
      masks: whether segmentations are read; then every annotation whose box has a width
        and a height must have one that can be used.

    Raises:
      FileNotFoundError: when it is not there.
      ValueError: in one line that names the file and the id.
    """
    content = _content(file)
    category_ids, class_names = _categories(file, content["categories"])
    ids, names, sizes = _images(file, content["images"])
    rows = _Rows(file, "annotation", content["annotations"])
    columns = _annotations(rows, ids, category_ids)
    segmentations = None
    if masks:
        found = _segmentations(rows, sizes[columns["owners"]], columns["boxes"])
        segmentations = segmentations_lib.pack(found)
    return Instances(
        file=file,
        ids=np.array(ids, np.int64),
        names=names,
        sizes=sizes,
        segmentations=segmentations,
        category_ids=category_ids,
        class_names=class_names,
        **columns,
    )


def _content(file):
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"'{file}' is not there: expected COCO's annotations") from error
    # Python's parser gives up at deeply nested lists.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"'{file}' is damaged, or no JSON: {errors.one_line(error)}; fetch it again"
        ) from error
    got = content if isinstance(content, dict) else {}
    if not all(isinstance(got.get(part), list) for part in _PARTS):
        raise ValueError(
            f"'{file}' is no file of instances: expected lists named {', '.join(_PARTS)}; got "
            f"{', '.join(got) or type(content).__name__}"
        )
    return content


def _categories(file, content):
    """(ids, names), in the order of the ids: a file in another order has the same classes."""
    rows = _Rows(file, "category", content)
    ids = rows.distinct("id", _is_whole, "a whole number")
    names = rows.distinct("name", _is_name, "a name")
    if not ids:
        raise ValueError(f"'{file}': expected at least 1 category; got none")
    return tuple(zip(*sorted(zip(ids, names))))


def _images(file, content):
    """(ids, names, sizes `[N, 2]`)."""
    rows = _Rows(file, "image", content)
    ids = rows.distinct("id", _is_whole, "a whole number")
    names = rows.distinct("file_name", _is_name, "the path of a file")
    sides = [rows.column(key, _is_size, "pixels, 1 or more") for key in ("height", "width")]
    return ids, names, np.array(sides, np.int32).T.reshape([-1, 2])


def _annotations(rows, ids, category_ids):
    """What `Instances` holds of annotations, but for their segmentations."""
    numbers = rows.distinct("id", _is_whole, "a whole number")
    owners = rows.mapped("image_id", ids, f"one of the {len(ids)} images")
    expected = f"one of the {len(category_ids)} categories, {_shown(category_ids)}"
    classes = rows.mapped("category_id", category_ids, expected)
    expected = "4 finite numbers [x, y, width, height], no side below 0"
    boxes = rows.column("bbox", _is_box, expected)
    boxes = np.array(boxes, np.float64).reshape([-1, 4])
    areas = rows.column("area", _is_area, "square pixels, 0 or more")
    crowds = rows.column("iscrowd", lambda value: value in (0, 1), "0 or 1", 0)
    return {
        "annotation_ids": np.array(numbers, np.int64),
        "owners": np.array(owners, np.int64),
        "classes": np.array(classes, np.int32),
        "boxes": np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        "areas": np.array(areas, np.float64),
        "crowds": np.array(crowds, bool),
    }


def _segmentations(rows, sizes, boxes):
    """Yields each annotation's segmentation; None where the box has no area and is left out."""
    for number, (row, size, box) in enumerate(zip(rows.rows, sizes.tolist(), boxes.tolist())):
        if not (box[2] > box[0] and box[3] > box[1]):
            yield None
            continue
        segmentation = row.get("segmentation")
        fault = segmentations_lib.fault(segmentation, *size)
        if fault:
            raise rows.refusal(number, fault, _SEGMENTATION)
        yield segmentation


@dataclasses.dataclass(frozen=True)
class _Rows:
    """One list of the file, whose rows are checked key by key."""

    file: pathlib.Path
    kind: str
    rows: list[Any]

    def column(
        self, key: str, is_good: Callable[[Any], bool], expected: str, default: Any = None
    ) -> list[Any]:
        """The values of one key, all of them good."""
        values = []
        for number, row in enumerate(self.rows):
            if not isinstance(row, dict):
                raise self.refusal(number, f"{row!r:.60}", f"an object with {key}")
            value = row.get(key, default)
            if not is_good(value):
                got = f"{key} {value!r:.60}" if key in row else f"no {key}"
                raise self.refusal(number, got, expected)
            values.append(value)
        return values

    def distinct(self, key: str, is_good: Callable[[Any], bool], expected: str) -> list[Any]:
        """`column`, of values that differ."""
        values, seen = self.column(key, is_good, expected), set()
        for number, value in enumerate(values):
            if value in seen:
                raise self.refusal(number, f"{key} {value!r} a second time", f"each {key} once")
            seen.add(value)
        return values

    def mapped(self, key: str, known: Sequence[int], expected: str) -> list[int]:
        """The positions, among the known ones, of the values of one key."""
        positions = {number: position for position, number in enumerate(known)}
        values = self.column(key, lambda value: _is_whole(value) and value in positions, expected)
        return [positions[value] for value in values]

    def refusal(self, number: int, got: str, expected: str) -> ValueError:
        """The error that names a row by its id, or by its position where it has none."""
        row = self.rows[number]
        name = row["id"] if isinstance(row, dict) and "id" in row else f"number {number}"
        return ValueError(
            f"'{self.file}': {self.kind} {name}: expected {expected}; got {got}: mend or remove it"
        )


def _is_whole(value):
    return type(value) is int and abs(value) < 2**63


def _is_name(value):
    return isinstance(value, str) and bool(value.strip())


def _is_size(value):
    return type(value) is int and 0 < value < 2**31


def _is_area(value):
    return segmentations_lib.is_number(value) and value >= 0


def _is_box(value):
    if not (isinstance(value, list) and len(value) == 4):
        return False
    return all(map(segmentations_lib.is_number, value)) and min(value[2:]) >= 0


def _shown(numbers):
    """All of a few, the ends of many."""
    if len(numbers) <= 12:
        return ", ".join(map(str, numbers))
    return f"{numbers[0]}, {numbers[1]} ... {numbers[-1]}"
