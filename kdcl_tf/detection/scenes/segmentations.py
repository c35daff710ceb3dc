"""Segmentations as COCO writes them: polygons, or an RLE of the whole image."""

from __future__ import annotations

import array
import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from kdcl_tf.data import digests

# pycocotools draws the whole way to a corner, however far outside the image it is, and ends
# the program where its memory ends.
_FARTHEST_CORNER = 10


def fault(segmentation: Any, height: int, width: int) -> str | None:
    """What makes a segmentation unusable; None when nothing does.

    Args:
      segmentation: a list of polygons `[x1, y1, x2, y2, ...]` of three corners or more,
        or an RLE `{"size": [height, width], "counts": ...}` whose counts are a list, or
        a text that pycocotools compressed.
      height, width: of the image, in pixels.

    Returns:
      A phrase that follows "got".
    """
    if isinstance(segmentation, list):
        return _polygons_fault(segmentation, _FARTHEST_CORNER * max(height, width))
    if isinstance(segmentation, dict):
        return _rle_fault(segmentation, height, width)
    return "no segmentation" if segmentation is None else f"{segmentation!r:.60}"


def without_scraps(segmentation: Any) -> tuple[Any, int]:
    """A segmentation without polygons of fewer than 3 corners, which outline nothing.

    Annotation programs leave such beside a good one, from a click or two.

    Args:
      segmentation: as for `fault`; anything.

    Returns:
      (the segmentation, how many polygons were left out); unchanged where no other is left.
    """
    if not isinstance(segmentation, list):
        return segmentation, 0
    kept = [each for each in segmentation if not _is_scrap(each)]
    return (kept, len(segmentation) - len(kept)) if kept else (segmentation, 0)


def _is_scrap(polygon):
    is_of_numbers = isinstance(polygon, list) and all(map(is_number, polygon))
    # An odd number of them is no polygon at all.
    return is_of_numbers and len(polygon) in (0, 2, 4)


@dataclasses.dataclass(frozen=True, eq=False)
class Packed(Sequence):
    """Many segmentations in one array: a quarter of the memory of Python's numbers.

    `[i]` gives a list of polygons, `[n]` float64 each, or an RLE with compressed counts;
    an empty list for what was no segmentation.

    Attributes:
      numbers: `[P]` float64, of all polygons.
      starts: `[Q + 1]`, where each of the Q polygons begins in `numbers`.
      firsts: `[S + 1]`, the first polygon of each of S segmentations.
      rles: those that are no polygons, by their number of the S.
      members: `[A]`, numbers of the segmentations that this sequence is of.
    """

    numbers: np.ndarray
    starts: np.ndarray
    firsts: np.ndarray
    rles: dict[int, dict[str, Any]]
    members: np.ndarray

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, index: int) -> Any:
        member = int(self.members[index])
        if member in self.rles:
            return self.rles[member]
        edges = self.starts[self.firsts[member] : self.firsts[member + 1] + 1]
        return [self.numbers[start:end] for start, end in itertools.pairwise(edges)]

    def take(self, indices: np.ndarray) -> Packed:
        """The segmentations at `indices`, which shares the numbers."""
        return dataclasses.replace(self, members=self.members[indices])

    def digest(self) -> str:
        """The SHA-256 of all segmentations, in their order."""
        return digests.of_parts(part for each in self for part in _parts(each))


def _parts(segmentation):
    """Bytes that tell a segmentation of `Packed` from any other."""
    if isinstance(segmentation, dict):
        return ["RLE {} {}".format(*segmentation["size"]).encode(), segmentation["counts"]]
    return [b"%d polygons" % len(segmentation), *(each.tobytes() for each in segmentation)]


def pack(segmentations: Iterable[Any]) -> Packed:
    """Packs segmentations without `fault`; anything else becomes an empty list."""
    numbers, lengths, counts, rles = array.array("d"), [0], [0], {}
    for member, each in enumerate(segmentations):
        polygons = each if isinstance(each, list) else []
        for polygon in polygons:
            numbers.extend(polygon)
            lengths.append(len(polygon))
        counts.append(len(polygons))
        if isinstance(each, dict):
            rles[member] = rle(each, *each["size"])
    return Packed(
        numbers=np.array(numbers, np.float64),
        starts=np.cumsum(lengths),
        firsts=np.cumsum(counts),
        rles=rles,
        members=np.arange(len(counts) - 1),
    )


def rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """The one compressed RLE of a segmentation, `{"size": ..., "counts": bytes}`."""
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    counts = segmentation["counts"]
    counts = counts.encode() if isinstance(counts, str) else counts
    return {"size": segmentation["size"], "counts": counts}


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number, of a size that pixels can have."""
    return type(value) in (int, float) and abs(value) <= 1e9


def _polygons_fault(polygons, farthest):
    if not polygons:
        return "no polygons"
    for polygon in polygons:
        if not isinstance(polygon, list) or not all(map(is_number, polygon)):
            return f"a polygon {polygon!r:.60}"
        if len(polygon) < 6 or len(polygon) % 2:
            return f"a polygon of {len(polygon)} numbers"
        if max(map(abs, polygon)) > farthest:
            return f"a polygon with a corner at {max(polygon, key=abs):g}, far outside its image"
    return None


def _rle_fault(coded, height, width):
    counts = coded.get("counts")
    if coded.get("size") != [height, width]:
        return f"an RLE of size {coded.get('size')} in an image of {[height, width]}"
    is_text = isinstance(counts, bytes) or (isinstance(counts, str) and counts.isascii())
    if is_text:
        counts = _runs(counts)
    if not isinstance(counts, list):
        return f"an RLE with counts {counts!r:.60}"
    # pycocotools would read past the end of its memory, or leave some of it as it was.
    if not all(type(count) is int and count >= 0 for count in counts):
        return "an RLE whose counts are not whole numbers from 0"
    if sum(counts) != height * width:
        return f"an RLE of {sum(counts)} pixels in an image of {height * width}"
    return None


def _runs(text):
    """The counts that pycocotools compressed.

    A character holds 5 bits of a number, lowest first, and whether more follow; the last
    has the sign. From the fourth on, numbers are differences from the last but one.
    A last number of which the end is missing becomes -1.
    """
    counts, number, shift = [], 0, 0
    for character in text.encode() if isinstance(text, str) else text:
        bits = character - 48
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16) << (shift - 4)
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number, shift = 0, 0
    return [*counts, -1] if shift else counts
