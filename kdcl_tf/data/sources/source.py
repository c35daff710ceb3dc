"""What every source of images returns: where each image lies, and its label."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf.files import escaping


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
      passed_over: how many files are none of the images, by the reason in words that follow
        the number: `with suffix .txt`.
      validation: images that are neither trained on nor tested on, by which an epoch is chosen;
        None where there are none.
      told: which images are tested on, in words, where that was not plain; else "".
    """

    train: Labelled
    test: Labelled
    class_names: tuple[str, ...]
    flip: bool
    size: tuple[int, int] | None = None
    passed_over: Mapping[str, int] = types.MappingProxyType({})
    validation: Labelled | None = None
    told: str = ""


def check_labels(split_name: str, labels: np.ndarray, num_classes: int) -> None:
    """Raises ValueError at the first label outside 0..num_classes-1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        raise ValueError(
            f"labels out of range: expected 0..{num_classes - 1}; got {labels[wrong[0]]} at"
            f" example {wrong[0]} of {split_name}"
        )


def check_class_names(class_names: Sequence[str]) -> None:
    """Refuses names that a list of a line each could not hold, before anything is trained.

    Raises:
      ValueError: for a name that is empty, or has line breaks, controls or bytes that are not
        UTF-8.
    """
    for name in class_names:
        if not isinstance(name, str):
            raise ValueError(
                f"class names: expected text; got {name!r}, which is of {type(name).__name__}: pass "
                f"'{name}'"
            )
        if not name or not escaping.is_plain(name):
            raise ValueError(
                "class names: expected text in UTF-8 without line breaks, tabs and other controls;"
                f" got '{escaping.escaped(name)}': rename the class"
            )
