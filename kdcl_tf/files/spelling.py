"""One spelling for a name that file systems write in two ways."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

__all__ = ["composed", "composed_all"]


def composed(name: str) -> str:
    """The name of a file or class in Unicode's NFC, in which two spellings of one are equal.

    Some systems write an accented letter as one character, others as a letter and its accent.

    Args:
      name: as it is written on disk or in a file.
    """
    return unicodedata.normalize("NFC", name)


def composed_all(names: Iterable[str]) -> list[str]:
    """The names, in their order, each as `composed` gives it."""
    return [composed(name) for name in names]
