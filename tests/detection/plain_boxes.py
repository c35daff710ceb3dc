"""Boxes in plain NumPy, one at a time, to hold the detector's against."""

import numpy as np


def random_boxes(rng, count, extent=100.0):
    """`[count, 4]` float32 boxes of positive area within `extent` pixels."""
    corners = rng.uniform(0.0, 0.7 * extent, [count, 2])
    return np.concatenate(
        [corners, corners + rng.uniform(1.0, 0.3 * extent, [count, 2])], axis=1
    ).astype(np.float32)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def intersection(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def iou(box, other):
    common = intersection(box, other)
    together = area(box) + area(other) - common
    return common / together if together > 0.0 else 0.0


def ious(boxes, others):
    """`[N, M]`."""
    return np.array([[iou(box, other) for other in others] for box in np.float64(boxes)])
