"""The image files that a user names, and those in the folders that they name.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files import escaping

__all__ = ["Found", "find"]


class Found(NamedTuple):
    """What was found.

    Attributes:
      paths: of the images, each once: as the user named them, those of a folder by name.
      passed_over: how many files and folders are none of these, by the reason in words that
        follow the number: `with suffix .txt`.
    """

    paths: list[str]
    passed_over: Mapping[str, int]

    @property
    def told(self) -> str:
        """Such as `found 12 images; ignored: 3 with suffix .txt, 1 hidden`."""
        count = len(self.paths)
        head = f"found {count:,} image{'s' * (count != 1)}"
        return "; ".join(filter(None, (head, _told(self.passed_over))))


def find(names: Sequence[str]) -> Found:
    """The images that files and folders stand for.

    A file that is named is taken for an image whatever its suffix is.  A folder stands for all
    files in it, and in the folders in it, that are images by their suffix; links are followed,
    and hidden files and folders are passed over.  A file that is found twice counts once.

    Args:
      names: paths, in which `~` is the user's home.

    Raises:
      ValueError: when there are none, one is not there, or a folder has no image in it.
    """
    names = [os.path.expanduser(name) for name in names if name]
    if not names:
        raise ValueError("expected --image, files and folders separated by commas; got none")
    missing = [name for name in names if not (os.path.isfile(name) or os.path.isdir(name))]
    if missing:
        raise ValueError(
            f"expected --image to name files and folders that are there; got {', '.join(missing)}"
        )
    passed_over = collections.Counter()
    found = {}
    for name in names:
        for path in _in_folder(name, passed_over) if os.path.isdir(name) else [name]:
            place = os.path.realpath(path)
            if place in found:
                passed_over["found twice"] += 1
            found.setdefault(place, path)
    return Found(list(found.values()), passed_over)


def _in_folder(folder: str, passed_over: collections.Counter) -> list[str]:
    reasons = collections.Counter()
    paths = sorted(_walk(folder, reasons, {os.path.realpath(folder)}))
    if not paths:
        ignored = _told(reasons)
        raise ValueError(
            f"expected images in --image={folder}, files with suffix {', '.join(SUFFIXES)}; got "
            f"none{f' ({ignored})' * bool(ignored)}"
        )
    passed_over.update(reasons)
    return paths


def _walk(folder: str, reasons: collections.Counter, seen: set[str]) -> Iterator[str]:
    """Yields the images below a folder; `seen` has the folders that were entered."""
    with os.scandir(folder) as listing:
        # A list, so that no more than one folder is open at a time.
        entries = list(listing)
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


def _told(reasons: Mapping[str, int]) -> str:
    from kdcl_tf.data.sources import contents

    return contents.passed_over(reasons)


def _why_no_image(entry: os.DirEntry) -> str:
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in SUFFIXES:
        return "" if os.path.isfile(entry.path) else "that are no regular files"
    return f"with suffix {escaping.escaped(suffix)}" if suffix else "without a suffix"
