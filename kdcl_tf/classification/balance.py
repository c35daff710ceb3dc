"""Balanced accuracy: that of students on classes that differ in size, as if they did not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["accuracies", "differ"]


def differ(labels: np.ndarray, num_classes: int) -> bool:
    """Whether classes have different numbers of images, of those that have any.

    Where they do not, balanced accuracy is accuracy.

    Args:
      labels: `[N]` integers in 0..num_classes-1.
      num_classes: C.
    """
    counts = np.bincount(labels, minlength=num_classes)
    return len(np.unique(counts[counts > 0])) > 1


def accuracies(counts: np.ndarray, students: Iterable[str]) -> dict[str, float]:
    """The mean over classes of the share of a class's images that a student classifies right.

    Args:
      counts: `[1 + M, C]`: images of each class, and how many of them each student has right.
        Classes without images do not count.
      students: M names.

    Returns:
      `{<student>_balanced_accuracy: accuracy}` in 0..1; 0 where there are no images at all.
    """
    images, *right = np.asarray(counts, np.float64).reshape(-1, np.shape(counts)[-1])
    there = images > 0
    classes = max(int(there.sum()), 1)
    return {
        f"{name}_balanced_accuracy": float(np.sum(row[there] / images[there]) / classes)
        for name, row in zip(students, right)
    }
