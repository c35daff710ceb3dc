"""One annotation file of COCO, `instances_*.json`, read and checked."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Collection, Sequence

import numpy as np
from pycocotools import mask as coco_mask

from kdcl_tf.data import errors
from kdcl_tf.detection.coco.rows import Rows, is_whole, make_ids_whole
from kdcl_tf.detection.scenes import segmentations as segmentations_lib
from kdcl_tf.files import escaping, spelling

_PARTS = ("images", "annotations", "categories")
_SEGMENTATION = "polygons of x, y of 3 corners or more each, or an RLE of the image's size"

# Stands for an area that the file does not give, which no file may give.
_MISSING = -1.0


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
      class_names: `[C]`, in Unicode's NFC.
      dropped_parts: `[P]`, the annotation of each polygon of fewer than 3 corners, which is left out
        beside others that can be used.
      groups: ids of the categories that have no annotations and are the supercategory of
        another one: some programs list what their classes belong to beside them.
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
    dropped_parts: tuple[int, ...]
    groups: frozenset[int]

    def without(self, numbers: Collection[int]) -> Instances:
        """The same without the categories of some ids, which must have no annotations."""
        kept = np.array([number not in numbers for number in self.category_ids])
        return dataclasses.replace(
            self,
            # A kept class moves down by the number of those before it that are not.
            classes=(np.cumsum(kept) - 1).astype(np.int32)[self.classes],
            category_ids=tuple(np.array(self.category_ids)[kept].tolist()),
            class_names=tuple(name for name, keep in zip(self.class_names, kept) if keep),
            groups=self.groups - frozenset(numbers),
        )


def read(file: pathlib.Path, masks: bool, or_else: str = "") -> Instances:
    """Reads a file, and looks at every value that is used.

    Refused are: a category whose name has line breaks or other controls, a category, an image
    or an annotation whose id another has, an annotation of an unknown image or category, a file
    that is listed twice, a malformed value, and a missing one but for `iscrowd`, which is then
    0, and `area`, which is then that of the segmentation, or of the box where there is none that
    can be used. Of several polygons those of fewer than 3 corners are left out. Ids may be text of
    digits, and a segmentation one polygon that is in no list, as VIA writes them. Images
    without annotations, and boxes without area, are not refused.

    Args:
      file: path.
      masks: whether segmentations are read; then every annotation whose box has a width
        and a height must have one that can be used.
      or_else: what may be done about one that cannot, other than to mend or remove it; words that
        follow these.

    Raises:
      FileNotFoundError: when it is not there.
      ValueError: in one line that names the file and the id.
    """
    content = _content(file)
    categories = Rows(file, "category", content["categories"])
    category_ids, class_names, above = _categories(categories)
    ids, names, sizes = _images(file, content["images"])
    rows = Rows(file, "annotation", content["annotations"])
    columns = _annotations(rows, ids, sizes, category_ids, masks)
    used = {category_ids[each] for each in set(columns["classes"].tolist())}
    groups = _groups(category_ids, class_names, above) - used
    _check_names(categories, groups)
    segmentations = None
    if masks:
        remedy = f"mend or remove it{or_else}"
        found = _segmentations(rows, sizes[columns["owners"]], columns["boxes"], remedy)
        segmentations = segmentations_lib.pack(found)
    return Instances(
        file=file,
        ids=np.array(ids, np.int64),
        names=names,
        sizes=sizes,
        segmentations=segmentations,
        category_ids=category_ids,
        class_names=class_names,
        groups=groups,
        **columns,
    )


def annotated(file: pathlib.Path) -> frozenset[int]:
    """Ids of the categories that a file annotates; nothing else of it is looked at.

    Raises:
      ValueError: when it is no JSON.
    """
    content = _parsed(file)
    rows = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        return frozenset()
    make_ids_whole(rows)
    ids = (row.get("category_id") for row in rows if isinstance(row, dict))
    return frozenset(filter(is_whole, ids))


def _content(file):
    content = _parsed(file)
    got = content if isinstance(content, dict) else {}
    if not all(isinstance(got.get(part), list) for part in _PARTS):
        raise ValueError(
            f"'{file}' is no file of instances: expected lists named {', '.join(_PARTS)}; got "
            f"{', '.join(got) or type(content).__name__}"
        )
    for part in _PARTS:
        make_ids_whole(content[part])
    return content


def _parsed(file):
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"'{file}' is not there: expected COCO's annotations") from error
    # Python's parser gives up at deeply nested lists.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"'{file}' is damaged, or no JSON: {errors.one_line(error)}; fetch it again"
        ) from error


def _categories(rows):
    """(ids, names, supercategories), by id: a file in another order has the same classes."""
    ids = rows.distinct("id", is_whole, "a whole number")
    names = rows.column("name", _is_class, "a name without line breaks, tabs and other controls")
    if not ids:
        raise ValueError(f"'{rows.file}': expected at least 1 category; got none")
    names = spelling.composed_all(names)
    above = [row.get("supercategory") for row in rows.rows]
    above = [spelling.composed(each) if isinstance(each, str) else None for each in above]
    return tuple(zip(*sorted(zip(ids, names, above))))


def _groups(ids, names, supercategories):
    """Ids of the categories that are another one's supercategory."""
    pairs = list(zip(ids, supercategories))
    # A class may be called as its supercategory: what counts is that it is another's.
    return frozenset(
        number
        for number, name in zip(ids, names)
        if any(above == name and other != number for other, above in pairs)
    )


def _check_names(rows, groups):
    """Refuses two classes of one name; a group may be called as a class in it."""
    classes = [row for row in rows.rows if row["id"] not in groups]
    dataclasses.replace(rows, rows=classes).distinct("name", _is_name, "a name", spelling.composed)


def _images(file, content):
    """(ids, names, sizes `[N, 2]`)."""
    rows = Rows(file, "image", content)
    ids = rows.distinct("id", is_whole, "a whole number")
    # File systems write one and the same accented letter as one character or as two.
    names = rows.distinct("file_name", _is_name, "the path of a file", spelling.composed)
    sides = [rows.column(key, _is_size, "pixels, 1 or more") for key in ("height", "width")]
    return ids, names, np.array(sides, np.int32).T.reshape([-1, 2])


def _annotations(rows, ids, sizes, category_ids, masks):
    """What `Instances` holds of annotations, but for their segmentations."""
    numbers = rows.distinct("id", is_whole, "a whole number")
    owners = rows.mapped("image_id", ids, f"one of the {len(ids)} images")
    expected = f"one of the {len(category_ids)} categories, {_shown(category_ids)}"
    classes = rows.mapped("category_id", category_ids, expected)
    expected = "4 finite numbers [x, y, width, height], no side below 0"
    boxes = rows.column("bbox", _is_box, expected)
    boxes = np.array(boxes, np.float64).reshape([-1, 4])
    areas = rows.column("area", _is_area, "square pixels, 0 or more", _MISSING)
    crowds = rows.column("iscrowd", lambda value: value in (0, 1), "0 or 1", 0)
    dropped = []
    for number, (row, area) in enumerate(zip(rows.rows, areas)):
        if masks or area == _MISSING:
            row["segmentation"], scraps = segmentations_lib.without_scraps(_segmentation(row))
            dropped += scraps * [row["id"]]
        if area == _MISSING:
            size = sizes[owners[number]].tolist()
            areas[number] = _area(row["segmentation"], size, boxes[number])
    return {
        "annotation_ids": np.array(numbers, np.int64),
        "owners": np.array(owners, np.int64),
        "classes": np.array(classes, np.int32),
        "boxes": np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
        "areas": np.array(areas, np.float64),
        "crowds": np.array(crowds, bool),
        "dropped_parts": tuple(dropped),
    }


def _segmentations(rows, sizes, boxes, remedy):
    """Yields each annotation's segmentation; None where the box has no area and is left out."""
    for number, (row, size, box) in enumerate(zip(rows.rows, sizes.tolist(), boxes.tolist())):
        if not (box[2] > box[0] and box[3] > box[1]):
            yield None
            continue
        segmentation = row["segmentation"]
        fault = segmentations_lib.fault(segmentation, *size)
        if fault:
            raise rows.refusal(number, fault, _SEGMENTATION, remedy)
        yield segmentation


def _segmentation(row):
    """A row's segmentation; one polygon that is in no list becomes a list of itself."""
    found = row.get("segmentation")
    is_polygon = (
        isinstance(found, list) and len(found) >= 6 and all(map(segmentations_lib.is_number, found))
    )
    return [found] if is_polygon else found


def _area(segmentation, size, box):
    """Square pixels of an object; of its box `[x, y, width, height]` where nothing outlines it."""
    if segmentations_lib.fault(segmentation, *size):
        return box[2] * box[3]
    return float(coco_mask.area(segmentations_lib.rle(segmentation, *size)))


def _is_name(value):
    return isinstance(value, str) and bool(value.strip())


def _is_class(value):
    """Whether it is a name that a list of a line each can hold, as those of classifiers are."""
    return _is_name(value) and escaping.is_plain(value)


def _is_size(value):
    return type(value) is int and 0 < value < 2**31


def _is_area(value):
    return value is _MISSING or (segmentations_lib.is_number(value) and value >= 0)


def _is_box(value):
    if not (isinstance(value, list) and len(value) == 4):
        return False
    return all(map(segmentations_lib.is_number, value)) and min(value[2:]) >= 0


def _shown(numbers):
    """All of a few, the ends of many."""
    if len(numbers) <= 12:
        return ", ".join(map(str, numbers))
    return f"{numbers[0]}, {numbers[1]} ... {numbers[-1]}"
