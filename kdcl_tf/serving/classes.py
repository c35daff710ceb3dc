"""Matches the classes of an exported student with those of a data set, by their names.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

from kdcl_tf.files import spelling

__all__ = ["MATCHES", "order"]

MATCHES = ("name", "position")

# How many names a message shows.
_SHOWN = 3


def order(
    known: Sequence[str],
    classes: Sequence[str],
    *,
    student: str,
    dataset: str,
    match: str = "name",
) -> list[int]:
    """The order in which a student's logits are a data set's.

    Args:
      known: names of the student's classes, in the order of its logits.
      classes: names of the data set's classes, in the order of its labels.
      student, dataset: what messages call the two.
      match: "name"; or "position" where a class is the same in the same place, whatever its
        names are.

    Returns:
      Positions in `known`, each once: those of the data set's classes in the data set's order,
      and after them those of the classes that only the student knows.

    Raises:
      ValueError: when the data set has a class that the student does not know or, by position,
        another number of classes; or when names are not distinct.
    """
    if match == "position":
        return _by_position(known, classes, student, dataset)
    known, classes = spelling.composed_all(known), spelling.composed_all(classes)
    if known == classes:
        return list(range(len(known)))
    for owner, names in ((student, known), (dataset, classes)):
        twice = [name for name, count in collections.Counter(names).items() if count > 1]
        if twice:
            raise ValueError(
                f"expected distinct class names, to match those of {student} and {dataset}; got "
                f"{_few(twice)} more than once in {owner}{_remedy(known, classes)}"
            )
    if set(classes) - set(known):
        raise ValueError(_misfit(known, classes, student, dataset))
    place = {name: position for position, name in enumerate(known)}
    first = [place[name] for name in classes]
    return first + sorted(set(range(len(known))) - set(first))


def _by_position(
    known: Sequence[str], classes: Sequence[str], student: str, dataset: str
) -> list[int]:
    if len(known) != len(classes):
        raise ValueError(
            f"expected a data set of {len(known)} classes for {student}, whose classes are matched "
            f"by position; got {dataset} of {len(classes)}: choose the data set that it was "
            "trained on, or one like it"
        )
    return list(range(len(known)))


def _misfit(known: list[str], classes: list[str], student: str, dataset: str) -> str:
    """Says which names differ."""
    strange = [name for name in classes if name not in set(known)]
    missing = [name for name in known if name not in set(classes)]
    lacking = ""
    if missing:
        lacking = f", and {len(missing)} of {len(known)} missing: {_few(missing)}"
    return (
        f"expected {dataset} to have the classes of {student}; got {len(strange)} of "
        f"{len(classes)} that {student} does not know, {_few(strange)}{lacking}"
        f"{_remedy(known, classes)}"
    )


def _few(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(repr, names[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _remedy(known: list[str], classes: list[str]) -> str:
    """What to do about names that do not fit, after a message."""
    if len(known) != len(classes):
        return ": choose the data set that it was trained on, or one like it"
    numbered = [all(map(str.isdecimal, names)) for names in (known, classes)]
    reason = "; the names of one of them are only numbers" if numbered[0] != numbered[1] else ""
    return (
        f"{reason}: choose the data set that it was trained on or, where each class is the same in "
        "the same place, pass match_classes=position"
    )
