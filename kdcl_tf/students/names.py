"""The names of the students, read without TensorFlow or Keras.

A program can so refuse a misspelt flag at once, before the seconds that an
import of TensorFlow takes.
"""

import re
from typing import NamedTuple

_RESNET = re.compile(r"resnet(0|[1-9][0-9]*)")
_WIDE_RESNET = re.compile(r"wrn_(0|[1-9][0-9]*)_(0|[1-9][0-9]*)")


class StudentName(NamedTuple):
    """What a name says: `wrn_16_2` is `("wide_resnet", depth=16, width=2)`."""

    family: str  # "resnet" or "wide_resnet"
    depth: int
    width: int  # times the widths 16, 32, 64; 1 for every resnet


def validate(name: str) -> None:
    """Returns nothing for the name of a student and raises ValueError for any other.

    Args:
        name: `resnet{6n+2}` (`resnet8`, `resnet32`) or `wrn_{6n+4}_{width}`
            (`wrn_16_2`), n and width at least 1.
    """
    parse(name)


def parse(name: str) -> StudentName:
    """Reads a name.

    Args:
        name: as in `validate`.

    Raises:
        ValueError: the name is of no family, or of a depth or width that its
            family cannot have. One line that names the nearest valid ones.
    """
    if isinstance(name, str):
        if match := _RESNET.fullmatch(name):
            return _parse_resnet(name, int(match[1]))
        if match := _WIDE_RESNET.fullmatch(name):
            return _parse_wide_resnet(name, int(match[1]), int(match[2]))
    raise ValueError(
        f"unknown student {name!r}: wanted resnet<6n+2> (resnet32) or wrn_<6n+4>_<width> (wrn_16_2)"
    )


def _parse_resnet(name: str, depth: int) -> StudentName:
    nearest = _nearest_depths(depth, remainder=2)
    if depth not in nearest:
        raise ValueError(
            f"unknown student {name!r}: depth must be 6n+2 (8, 14, 20, 32, 44, 56, 110); "
            + _suggest([f"resnet{d}" for d in nearest])
        )
    return StudentName("resnet", depth, 1)


def _parse_wide_resnet(name: str, depth: int, width: int) -> StudentName:
    nearest = _nearest_depths(depth, remainder=4)
    if depth not in nearest:
        raise ValueError(
            f"unknown student {name!r}: depth must be 6n+4 (10, 16, 22, 28, 40); "
            + _suggest([f"wrn_{d}_{max(width, 1)}" for d in nearest])
        )
    if width < 1:
        raise ValueError(
            f"unknown student {name!r}: width must be 1 or more (1, 2, 4, 10); "
            + _suggest([f"wrn_{depth}_1"])
        )
    return StudentName("wide_resnet", depth, width)


def _nearest_depths(depth: int, remainder: int) -> list[int]:
    """The depth itself when it is 6n + remainder with n >= 1, else its neighbours."""
    below = (depth - remainder) // 6 * 6 + remainder
    if below < 6 + remainder:
        return [6 + remainder]
    return [depth] if below == depth else [below, below + 6]


def _suggest(names: list[str]) -> str:
    return f"the nearest {'is' if len(names) == 1 else 'are'} {' and '.join(names)}"
