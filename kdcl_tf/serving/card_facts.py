"""What the facts of a card have to be: their names, their kinds, and the checksum over them.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.data.normalization import KEPT, REVERSED
from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError

__all__ = [
    "ALWAYS",
    "CHANNELS",
    "WRITTEN",
    "are_of_card",
    "checked",
    "checked_student",
    "no_card",
    "with_count",
]

# Facts of the files of an export, which `write` adds to a card: the format of the weights, the
# checksum of every other file, and that of the card itself.
WRITTEN = ("format", "checksums", "checksum")

# The channels of images that photographs become; others have no name.
CHANNELS = {1: "grey", 3: "RGB"}

# What cards of every version have.
ALWAYS = ("student", "image_shape", "mean", "deviation")

_NUMBERS = ("mean", "deviation")
_NAMES = ("student", "architecture")


def are_of_card(facts: Any) -> bool:
    """Whether what a JSON file holds are the facts of a card, even if some were changed."""
    # Damage may have changed the name of a fact, but hardly of two.
    return isinstance(facts, dict) and (
        "checksums" in facts or all(name in facts for name in ALWAYS)
    )


def checked(where: str | os.PathLike, facts: Any, required: Sequence[str] = ()) -> dict[str, Any]:
    """The facts of a card, which may be a student's or a detector's.

    Args:
      where: they were found, for messages.
      facts: what was read there.
      required: names of facts that have to be among them.

    Raises:
      DamageError: when they are no object of JSON or not as they were written, or one is missing
        or of the wrong kind.
    """
    if not isinstance(facts, dict):
        raise DamageError(
            f"{no_card(where)}: expected an object of JSON; got {facts!r:.40}; export it again"
        )
    if facts.keys() & set(WRITTEN) and not identity.is_sealed(facts):
        raise DamageError(
            f"{where} is not what was written: it was damaged or edited; export it again"
        )
    missing = [name for name in required if name not in facts]
    if missing:
        raise DamageError(
            f"{no_card(where)}: expected the facts {', '.join(required)}; got none of the name "
            f"{', '.join(missing)}; export it again"
        )
    _check_kinds(where, facts)
    return facts


def checked_student(where: str | os.PathLike, facts: Any) -> dict[str, Any]:
    """The facts of a student's card that has its class names.

    Args, Raises: as `checked` and `with_count`.
    """
    return with_count(where, checked(where, facts, ("image_shape", "class_names")))


def with_count(where: str | os.PathLike, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts and the number of classes, which cards of older versions lack.

    Args:
      where: the facts were found, for messages.
      facts: with `class_names`.

    Raises:
      DamageError: when the class names are not as many as the classes.
    """
    names = facts["class_names"]
    count = facts.get("num_classes", len(names))
    if count != len(names):
        raise DamageError(
            f"{where}: expected {count} class names; got {len(names)}; export it again"
        )
    return {**facts, "num_classes": count}


def no_card(where: str | os.PathLike) -> str:
    """The beginning of a message about what is no card."""
    return f"{where} is not the card of an exported model"


def _check_kinds(where: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Raises DamageError when a fact is of the wrong kind."""
    kinds = (
        (_NUMBERS, _are_numbers, "a list of numbers"),
        (_NAMES, lambda value: isinstance(value, str), "the name of a student"),
        (("image_shape",), _are_sizes, "three sizes above 0"),
        (("class_names",), _are_names, "a list of names"),
        (("channels",), lambda value: value in (KEPT, REVERSED), f"{KEPT} or {REVERSED}"),
    )
    for keys, fits, kind in kinds:
        for key in keys:
            if key in facts and not fits(facts[key]):
                raise DamageError(
                    f"{where}: expected {key} to be {kind}; got {facts[key]!r:.100}; export it again"
                )
    has = [key for key in _NUMBERS if key in facts]
    if len(has) == 1:
        raise DamageError(
            f"{where}: expected {' and '.join(_NUMBERS)}; got {has[0]} alone; export it again"
        )


def _are_numbers(value: Any) -> bool:
    return _is_list(value) and all(type(each) in (int, float) for each in value)


def _are_sizes(value: Any) -> bool:
    return _is_list(value) and len(value) == 3 and all(type(e) is int and e > 0 for e in value)


def _are_names(value: Any) -> bool:
    return _is_list(value) and all(isinstance(each, str) for each in value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)
