"""Image files in a folder and in the folders in it.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator

from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files import escaping

__all__ = ["images_below"]


def images_below(folder: str | os.PathLike) -> tuple[list[str], collections.Counter]:
    """The files in a folder, and in the folders in it, that are images by their suffix.

    Links are followed, into each folder once; hidden files and folders are passed over.  Of a
    folder with two names the first counts, and a link only where there is nothing else.

    Returns:
      (paths that begin with the folder's, sorted; how many files and folders are none of these,
      by the reason in words that follow the number: `with suffix .txt`).

    Raises:
      OSError: for a folder that cannot be read.
    """
    reasons = collections.Counter()
    folder = os.fspath(folder)
    return sorted(_walk(folder, reasons, {os.path.realpath(folder)})), reasons


def _walk(folder: str, reasons: collections.Counter, seen: set[str]) -> Iterator[str]:
    """Yields the images below a folder; `seen` has the folders that were entered."""
    with os.scandir(folder) as listing:
        # A list, so that no more than one folder is open at a time.  Links come last, so that a
        # folder has its own name if it has one here.
        entries = sorted(listing, key=lambda entry: (entry.is_symlink(), entry.name))
    for entry in entries:
        if entry.name.startswith("."):
            reasons["hidden"] += 1
        elif os.path.isdir(entry.path):
            place = os.path.realpath(entry.path)
            if place in seen:
                reasons["links to a folder that is there"] += 1
                continue
            seen.add(place)
            yield from _walk(entry.path, reasons, seen)
        elif reason := _why_no_image(entry):
            reasons[reason] += 1
        else:
            yield entry.path


def _why_no_image(entry: os.DirEntry) -> str:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES:
        return "" if os.path.isfile(entry.path) else "that are no regular files"
    return f"with suffix {escaping.escaped(suffix)}" if suffix else "without a suffix"
