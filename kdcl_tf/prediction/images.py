"""The image files that a user names, and those in the folders that they name.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kdcl_tf.data.formats import finding
from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files.escaping import escaped

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
    def ignored(self) -> str:
        """Such as `ignored: 3 with suffix .txt, 1 hidden`; "" for nothing."""
        return _told(self.passed_over)

    @property
    def told(self) -> str:
        """Such as `found 12 images; ignored: 3 with suffix .txt, 1 hidden`."""
        count = len(self.paths)
        head = f"found {count:,} image{'s' * (count != 1)}"
        return "; ".join(filter(None, (head, self.ignored)))


def find(names: Sequence[str], is_deep: bool = True) -> Found:
    """The images that files and folders stand for.

    A file that is named is taken for an image whatever its suffix is.  A folder stands for all
    files in it, and in the folders in it, that are images by their suffix; links are followed,
    and hidden files and folders are passed over.  A file that is found twice counts once.

    Args:
      names: paths, in which `~` is the user's home.
      is_deep: whether a folder stands for the images in its folders, too, which else are passed over.

    Raises:
      ValueError: when there are none, one is not there, or a folder has no image in it.
    """
    names = [os.path.expanduser(name) for name in names if name]
    if not names:
        raise ValueError("expected --image, files and folders separated by commas; got none")
    missing = [name for name in names if not (os.path.isfile(name) or os.path.isdir(name))]
    if missing:
        got = ", ".join(map(escaped, missing))
        raise ValueError(
            f"expected --image to name files and folders that are there; got {got}"
            f"{_told_of_commas(names)}"
        )
    passed_over = collections.Counter()
    found = {}
    for name in names:
        for path in _in_folder(name, is_deep, passed_over) if os.path.isdir(name) else [name]:
            place = os.path.realpath(path)
            if place in found:
                passed_over["found twice"] += 1
            found.setdefault(place, path)
    return Found(list(found.values()), passed_over)


def _told_of_commas(names: Sequence[str]) -> str:
    """The end of a message on names that are parts of a path with commas; "" for others.

    Args:
      names: that a list of `--image` was divided into.
    """
    whole = ",".join(names)
    if len(names) < 2 or not os.path.exists(whole):
        return ""
    return (
        f": commas separate names, and {escaped(whole)} has one itself: pass a folder that it is in"
    )


def _in_folder(folder: str, is_deep: bool, passed_over: collections.Counter) -> list[str]:
    paths, reasons = (finding.images_below if is_deep else finding.images_in)(folder)
    if not paths:
        ignored = _told(reasons)
        raise ValueError(
            f"expected images in --image={escaped(folder)}, files with suffix {', '.join(SUFFIXES)}; got "
            f"none{f' ({ignored})' * bool(ignored)}"
        )
    passed_over.update(reasons)
    return paths


def _told(reasons: Mapping[str, int]) -> str:
    # It imports numpy, which takes longer than to refuse what is not there.
    from kdcl_tf.data.sources import contents

    return contents.passed_over(reasons) if reasons else ""
