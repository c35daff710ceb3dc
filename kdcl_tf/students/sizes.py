"""Sizes that a student can have, checked before anything is built."""

import numbers
from collections.abc import Iterable
from typing import Any

from kdcl_tf.students.families import FAMILIES
from kdcl_tf.students.names import parse

_TIMES = ("", "once", "twice", "three times", "four times", "five times", "six times")


def checked_num_classes(num_classes: Any) -> int:
    """The number of classes as an int.

    Raises:
        ValueError: unless it is an integer of 2 or more.
    """
    if not _is_integer(num_classes) or num_classes < 2:
        raise ValueError(
            f"num_classes must be an integer of 2 or more; got {num_classes!r}; "
            "a yes-or-no task has 2 classes"
        )
    return int(num_classes)


def checked_input_shape(input_shape: Any, family: str) -> tuple[int, int, int]:
    """(height, width, channels) as ints.

    Args:
        input_shape: what the caller gave.
        family: one of `families.FAMILIES`; decides the smallest image. Classifiers of
            `keras.applications` check their images themselves.

    Raises:
        ValueError: unless it is three positive integers, large enough for the family.
    """
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    if len(shape) != 3 or not all(_is_integer(size) and size > 0 for size in shape):
        raise ValueError(
            "input_shape must be three positive integers (height, width, channels); "
            f"got {input_shape!r}; CIFAR's is (32, 32, 3), ImageNet's (224, 224, 3)"
        )
    smallest = FAMILIES[family].smallest_image
    if min(shape[:2]) < smallest:
        raise ValueError(
            f"input_shape must have a height and width of {smallest} or more, because students "
            f"of this family halve them {_halvings(smallest)}; got {input_shape!r}; resize or pad "
            "the images"
        )
    height, width, channels = (int(size) for size in shape)
    return height, width, channels


def validate_size(name: str, side: int) -> None:
    """Raises ValueError for images that are too small for a student.

    Args:
        name: of a student, a valid one.
        side: pixels a side, 1 or more.
    """
    smallest = FAMILIES[parse(name).family].smallest_image
    if side < smallest:
        raise ValueError(
            f"image size: expected {smallest} or more pixels a side for student {name!r}, which "
            f"halves images {_halvings(smallest)}; got {side}"
        )


def default_image_size(names: Iterable[str]) -> int:
    """Pixels a side that photographs are resized to unless a size is given.

    Args:
        names: of the students, valid ones.

    Returns:
        224 if one of them is a network for ImageNet, else 32.
    """
    return max(FAMILIES[parse(name).family].usual_image for name in names)


def _halvings(smallest: int) -> str:
    """How often a network halves images that must have so many pixels a side."""
    return _TIMES[smallest.bit_length() - 1]


def _is_integer(value: Any) -> bool:
    # bool is an Integral too, and True is no number of classes.
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
