"""Image files in a folder and in the folders in it.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import collections
import os

from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files import escaping

__all__ = ["images_below", "images_in"]


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
    found, links, seen = [], collections.deque(), {os.path.realpath(folder)}
    _walk(folder, found, links, reasons, seen)
    # After all folders have been entered by their own names.
    while links:
        _enter(links.popleft(), found, links, reasons, seen)
    return sorted(found), reasons


def images_in(folder: str | os.PathLike) -> tuple[list[str], collections.Counter]:
    """As `images_below`, without the folders in the folder, which are passed over."""
    reasons = collections.Counter()
    found = []
    for entry in _entries(os.fspath(folder)):
        if entry.name.startswith("."):
            reasons["hidden"] += 1
        elif os.path.isdir(entry.path):
            reasons["folders inside a folder"] += 1
        elif reason := _why_no_image(entry):
            reasons[reason] += 1
        else:
            found.append(entry.path)
    return found, reasons


def _entries(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as listing:
        # A list, so that no more than one folder is open at a time.
        return sorted(listing, key=lambda entry: entry.name)


def _walk(folder, found, links, reasons, seen):
    """Adds the images below a folder, and the links to folders; `seen` has those entered."""
    for entry in _entries(folder):
        if entry.name.startswith("."):
            reasons["hidden"] += 1
        elif os.path.isdir(entry.path):
            if entry.is_symlink():
                links.append(entry.path)
            else:
                _enter(entry.path, found, links, reasons, seen)
        elif reason := _why_no_image(entry):
            reasons[reason] += 1
        else:
            found.append(entry.path)


def _enter(folder, found, links, reasons, seen):
    place = os.path.realpath(folder)
    if place in seen:
        reasons["links to a folder that is there"] += 1
        return
    seen.add(place)
    _walk(folder, found, links, reasons, seen)


def _why_no_image(entry: os.DirEntry) -> str:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES:
        return "" if os.path.isfile(entry.path) else "that are no regular files"
    return f"with suffix {escaping.escaped(suffix)}" if suffix else "without a suffix"
