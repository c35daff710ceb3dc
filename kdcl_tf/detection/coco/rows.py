"""A list of an annotation file, checked row by row; an error names the row."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

_IDS = ("id", "image_id", "category_id")
# One text a number, so that two ids stay two.
_DIGITS = re.compile("0|[1-9][0-9]{0,17}")


@dataclasses.dataclass(frozen=True)
class Rows:
    """One list of the file, whose rows are checked key by key."""

    file: pathlib.Path
    kind: str
    rows: list[Any]

    def column(
        self, key: str, is_good: Callable[[Any], bool], expected: str, default: Any = None
    ) -> list[Any]:
        """The values of one key, all of them good; `default` for one that is missing or null."""
        values = []
        for number, row in enumerate(self.rows):
            if not isinstance(row, dict):
                raise self.refusal(number, f"{row!r:.60}", f"an object with {key}")
            value = row.get(key)
            value = default if value is None else value
            if not is_good(value):
                got = f"{key} {value!r:.60}" if key in row else f"no {key}"
                raise self.refusal(number, got, expected)
            values.append(value)
        return values

    def distinct(
        self,
        key: str,
        is_good: Callable[[Any], bool],
        expected: str,
        same: Callable[[Any], Any] = lambda value: value,
    ) -> list[Any]:
        """`column`, of values that differ, where those that `same` makes equal do not."""
        values, seen = self.column(key, is_good, expected), set()
        for number, value in enumerate(values):
            if same(value) in seen:
                raise self.refusal(number, f"{key} {value!r} a second time", f"each {key} once")
            seen.add(same(value))
        return values

    def mapped(self, key: str, known: Sequence[int], expected: str) -> list[int]:
        """The positions, among the known ones, of the values of one key."""
        positions = {number: position for position, number in enumerate(known)}
        values = self.column(key, lambda value: is_whole(value) and value in positions, expected)
        return [positions[value] for value in values]

    def refusal(
        self, number: int, got: str, expected: str, remedy: str = "mend or remove it"
    ) -> ValueError:
        """The error that names a row by its id, or by its position where it has none."""
        row = self.rows[number]
        name = row["id"] if isinstance(row, dict) and "id" in row else f"number {number}"
        return ValueError(
            f"'{self.file}': {self.kind} {name}: expected {expected}; got {got}: {remedy}"
        )


def make_ids_whole(rows: list[Any]) -> None:
    """Makes ids that are written as text of digits, or as whole floats, the numbers that they mean.

    VIA writes `"image_id": "0"` beside `"id": 0`, and pandas makes floats of a column that lacks a
    value.  Any other id stays as it is.
    """
    for row in rows:
        for key in _IDS if isinstance(row, dict) else ():
            if type(row.get(key)) in (str, float):
                row[key] = _number(row[key])


def _number(value):
    """What it means as a whole number, if that is certain; else the value."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value
    return int(value) if _DIGITS.fullmatch(value) else value


def is_whole(value: Any) -> bool:
    """Whether a value of JSON is a whole number of 64 bits."""
    return type(value) is int and abs(value) < 2**63
