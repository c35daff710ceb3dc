"""Classes that differ in size, counted as if they did not: weights in training, and accuracies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kdcl_tf.data import measuring
from kdcl_tf.objectives import losses

__all__ = ["accuracies", "class_weights", "differ"]


def class_weights(train: Any, num_classes: int, skips_bad: bool) -> np.ndarray:
    """The weight of each class with which all classes count equally, see `losses`.

    Args:
      train: the split that is trained on.
      num_classes: C.
      skips_bad: whether images that cannot be decoded are left out; then they do not count here,
        either, wherever the images are kept.

    Returns:
      `[C]` float32; 0 for a class without images.

    Raises:
      BadImageError: when no image can be decoded.
    """
    labels = measuring.good_labels(train) if skips_bad else train.labels
    weights = losses.balanced_class_weights(labels)
    return np.array([weights.get(label, 0.0) for label in range(num_classes)], np.float32)


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
