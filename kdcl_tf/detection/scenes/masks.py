"""Masks of objects: of the whole image, or of their box in a fixed number of bins.

Bin (i, j) of S x S is the point ((j + 0.5) / S, (i + 0.5) / S) of the box, and pixel
(y, x) the point (x + 0.5, y + 0.5) of the image, as in RoIAlign. Between them values are
interpolated bilinearly, which rounds corners: by half a pixel, or half a bin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from kdcl_tf.detection.scenes import segmentations

SIZE = 112


def rasterise(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The pixels of an object: `[H, W]` uint8, 0 or 1.

    Args:
      segmentation: one without `segmentations.fault`.
      height, width: of the image, in pixels.
    """
    return coco_mask.decode(segmentations.rle(segmentation, height, width))


def within_box(
    segmentation: Any, box: np.ndarray, height: int, width: int, size: int = SIZE
) -> np.ndarray:
    """What of an object is in its box, in size x size bins.

    Args:
      segmentation: as in `rasterise`.
      box: `[x1, y1, x2, y2]` in pixels of the image, with an area.
      height, width: of the image, in pixels.
      size: bins a side.

    Returns:
      `[size, size]` uint8: 1 where the object covers half or more of what is
      interpolated at the bin.
    """
    mask = rasterise(segmentation, height, width)
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    bins = (np.arange(size) + 0.5) / size
    # Pixels beyond the border are as those on it.
    rows = np.clip(y1 + bins * (y2 - y1) - 0.5, 0, height - 1)
    columns = np.clip(x1 + bins * (x2 - x1) - 0.5, 0, width - 1)
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : int(rows[-1]) + 2, left : int(columns[-1]) + 2].astype(np.float32)
    return (_interpolated(part, rows - top, columns - left) >= 0.5).astype(np.uint8)


def paste(
    masks: np.ndarray, boxes: np.ndarray, height: int, width: int, threshold: float = 0.5
) -> np.ndarray:
    """Masks in bins of their boxes, put where they are in the image.

    Args:
      masks: `[n, S, S]` probabilities.
      boxes: `[n, 4]`, `[x1, y1, x2, y2]` in pixels of the image, perhaps partly outside.
      height, width: of the image, in pixels.
      threshold: the least probability of a pixel of the object.

    Returns:
      `[n, height, width]` uint8, 0 or 1.
    """
    pasted = np.zeros([len(boxes), height, width], np.uint8)
    for mask, box, canvas in zip(np.asarray(masks, np.float32), boxes, pasted):
        x1, y1, x2, y2 = np.asarray(box, np.float64)
        rows, ys = _positions(y1, y2, height, len(mask))
        columns, xs = _positions(x1, x2, width, len(mask))
        if len(ys) and len(xs):
            # A frame of zeros: half a bin further than the last the object has ended.
            framed = np.pad(mask, 1)
            canvas[rows, columns] = _interpolated(framed, ys + 1, xs + 1) >= threshold
    return pasted


def encode(mask: np.ndarray) -> dict[str, Any]:
    """The RLE of a mask `[H, W]` of 0 and 1, `{"size": [H, W], "counts": text}`.

    `json.dumps` accepts it, and pycocotools.
    """
    coded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in coded["size"]], "counts": coded["counts"].decode()}


def _positions(start, end, pixels, bins):
    """(slice of the pixels whose centres are in start..end, where they are among the bins)."""
    first = max(int(np.ceil(start - 0.5)), 0)
    last = min(int(np.floor(end - 0.5)), pixels - 1)
    centres = np.arange(first, last + 1) + 0.5
    return slice(first, last + 1), (centres - start) / max(end - start, 1e-9) * bins - 0.5


def _interpolated(values, rows, columns):
    """`[R, C]`: values `[H, W]` at all pairs of positions, bilinearly.

    Positions are in 0..H-1 and 0..W-1.
    """
    top, left = rows.astype(int), columns.astype(int)
    bottom, right = np.minimum(top + 1, len(values) - 1), np.minimum(left + 1, len(values[0]) - 1)
    down, across = (rows - top)[:, None], (columns - left)[None]
    upper = values[top][:, left] * (1 - across) + values[top][:, right] * across
    lower = values[bottom][:, left] * (1 - across) + values[bottom][:, right] * across
    return upper * (1 - down) + lower * down
