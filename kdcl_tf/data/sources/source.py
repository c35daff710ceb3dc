"""What every source of images returns: where each image lies, and its label."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Encoded images as a source finds them, and their labels.

    Attributes:
      images: a class of `storage`, of N images.
      labels: `[N]` int64.
    """

    images: Any
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Any) -> Labelled:
        """The examples at `indices`, an array or a slice, in that order."""
        return Labelled(self.images.take(indices), self.labels[indices])


class Source(NamedTuple):
    """Everything that a source has, with nothing held out or decoded yet.

    Attributes:
      train: all training images.
      test: all test images.
      class_names: one name a class; a label is a position here.
      flip: whether a mirrored image still shows its class.
      size: (height, width) of every image, or None where they differ.
    """

    train: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    flip: bool
    size: tuple[int, int] | None = None


def check_labels(split_name: str, labels: np.ndarray, num_classes: int) -> None:
    """Raises ValueError at the first label outside 0..num_classes-1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        raise ValueError(
            f"labels out of range: expected 0..{num_classes - 1}; got {labels[wrong[0]]} at"
            f" example {wrong[0]} of {split_name}"
        )
