"""Settings that differ between students, written `resnet18=0.01,mobilenet_v2=0.05`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kdcl_tf import students

__all__ = ["branches_of", "in_order", "names_of", "pairs", "rates"]


def names_of(architectures: Sequence[str], copies: int = 1) -> tuple[str, ...]:
    """A distinct name for each student: a second `resnet20` is `resnet20_2`.

    Args:
      architectures: of the run's students.
      copies: of each, such as branches.
    """
    names = []
    for architecture in tuple(architectures) * copies:
        name, count = students.model_name_of(architecture), 1
        # Not `mobilenet_v2_2` for a second one, where that architecture trains too.
        while name in names or (count > 1 and name in architectures):
            count += 1
            name = f"{students.model_name_of(architecture)}_{count}"
        names.append(name)
    return tuple(names)


def pairs(flag: str, items: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """`{student: value}` of `STUDENT=VALUE`, in the order of the students.

    Args:
      flag: what messages call the setting.
      items: `STUDENT=VALUE` each; a student of `keras:` may have its colon.
      names: of the run's students.

    Raises:
      ValueError: for what is no such pair, an unknown student, or one that is named twice.
    """
    found = {}
    for item in items:
        name, equals, value = (part.strip() for part in item.partition("="))
        name = students.model_name_of(name)
        if not (name and equals and value) or "," in value:
            raise ValueError(
                f"expected --{flag} of STUDENT=VALUE, with commas between them and none in a value; "
                f"got {item!r}"
            )
        if name not in names:
            raise ValueError(
                f"expected --{flag} for students of the run, {', '.join(names)}; got {name!r}"
            )
        if name in found:
            raise ValueError(f"expected --{flag} once for a student; got {name} twice")
        found[name] = value
    return {name: found[name] for name in names if name in found}


def in_order(items: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """The same `STUDENT=VALUE` items in the order of the students.

    Args:
      items: as in `pairs`, which has accepted them.
      names: of the run's students.
    """

    def place(item):
        return names.index(students.model_name_of(item.partition("=")[0].strip()))

    return tuple(sorted(items, key=place))


def branches_of(flag: str, found: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    """The same of branches, which share their layers: the value of the first is that of all.

    Raises:
      ValueError: when another branch has one of its own.
    """
    if set(found) - {names[0]}:
        raise ValueError(
            f"--{flag}: branches share their lower layers: expected one value for all, as "
            f"{names[0]}=VALUE; got some for {', '.join(found)}"
        )
    return {name: value for value in found.values() for name in names}


def rates(given: float | str, names: Sequence[str]) -> dict[str, float]:
    """`{student: learning rate}`.

    Args:
      given: a number for all, or text with a rate for each student.
      names: of the run's students.

    Raises:
      ValueError: when a student has none, or it is no positive number.
    """
    texts = dict.fromkeys(names, str(given))
    if "=" in str(given):
        texts = pairs("learning_rate", str(given).split(","), names)
    missing = [name for name in names if name not in texts]
    if missing:
        raise ValueError(
            f"expected --learning_rate for every student, or one number for all; got none for "
            f"{', '.join(missing)}"
        )
    found = {}
    for name, text in texts.items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = math.nan
        if not 0 < found[name] < math.inf:
            raise ValueError(
                f"expected --learning_rate to be a number above 0, or such as "
                f"{','.join(f'{each}=0.01' for each in names)}; got {text}"
            )
    return found
