"""The texts of the cells of a report's tables."""

from __future__ import annotations

from collections.abc import Iterable

from kdcl_tf.reproduction.reporting import statistics
from kdcl_tf.reproduction.tables.table import Row

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def tick(row: Row) -> str:
    """Whether a row has invariant collaborative learning."""
    return "\N{CHECK MARK}" if row.invariant else ""


def printed(value: float | None) -> str:
    """A number with one digit after the point, or with two where the paper prints two."""
    return number(value, 1 if value is None or round(value, 1) == value else 2)


def percent(value: float | None) -> str:
    """A share of 1 in %, with two digits after the point."""
    return number(None if value is None else 100 * value, 2)


def number(value: float | None, digits: int) -> str:
    """A number with so many digits after the point; a dash for none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """A number with its sign: `+1.50`, `\N{MINUS SIGN}0.20`; `+0.00` whatever rounds to it."""
    if value is None:
        return NOTHING
    # A negative zero has a minus sign, which the sum with a positive one takes away.
    # Nor has a sum of numbers of a few digits more of them.
    return f"{round(round(value, 6), digits) + 0.0:+.{digits}f}".replace("-", MINUS)


def span(ends: tuple[float, float] | None) -> str:
    """The least and the greatest of some values: `31.00\N{EN DASH}36.00`."""
    return NOTHING if ends is None else f"{ends[0]:.2f}\N{EN DASH}{ends[1]:.2f}"


def interval(values: Iterable[float]) -> str:
    """The 95 % interval of the mean: `+1.00 to +2.00`; a dash for fewer than three values."""
    ends = statistics.interval(values)
    return NOTHING if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"
