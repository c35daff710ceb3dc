"""Takes a share of the images of each class out of a set, by their contents.

Files that are byte for byte the same never part, within a class and across classes. The choice
is a function of the contents and labels alone, never of a seed: every method and every seed that
is compared gets the same split, and so does a folder that was moved or whose files were renamed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.sources import source as source_lib
from kdcl_tf.files import escaping

__all__ = ["Shares", "of_contents", "split"]


class Shares(NamedTuple):
    """What a set of images was split into.

    Attributes:
      rest, taken: the images that stay, and the share; each in the order that they had.
      told: a line on files that are in more than one class; "" for none.
    """

    rest: source_lib.Labelled
    taken: source_lib.Labelled
    told: str


def split(
    images: source_lib.Labelled, share: float, class_names: Sequence[str], argument: str
) -> Shares:
    """Takes a share of each class out of a set; reads every image once.

    Args:
      images: the set.
      share: above 0 and below 1.
      class_names: one a class.
      argument: the name of the share, for errors.

    Raises:
      ValueError: when classes have so many images in common that no split leaves each an image
        on either side; or when no class has two images that differ.
    """
    contents = list(_contents(images.images))
    try:
        taken = of_contents(contents, images.labels, share)
    except _NoSplit as error:
        raise ValueError(
            f"{argument}={share}: class '{escaping.escaped(class_names[error.label])}' has no image"
            " of its own, only copies of those of other classes, and no split leaves each of them"
            " an image on either side: remove the copies from the wrong classes"
        ) from None
    if not taken.any():
        raise ValueError(
            f"{argument}={share}: expected a class with two or more images that differ; got none"
        )
    rest = images.take(np.flatnonzero(~taken))
    told = _shared(images, contents)
    return Shares(rest, images.take(np.flatnonzero(taken)), told)


def of_contents(contents: Sequence[bytes], labels: np.ndarray, share: float) -> np.ndarray:
    """Which images are in the share: `[N]` bool.

    Of a class with n images that differ, share * n of them, rounded, are taken, at least one and
    at most n - 1; none of a class with one. Images are taken in the order of their digests.

    Args:
      contents: `[N]` digests, the same for copies.
      labels: `[N]` integers from 0.
      share: above 0 and below 1.
    """
    classes_of = {}
    for content, label in zip(contents, labels.tolist()):
        classes_of.setdefault(content, set()).add(label)
    distinct = np.zeros([int(labels.max(initial=-1)) + 1], np.int64)
    for classes in classes_of.values():
        distinct[list(classes)] += 1
    most = np.maximum(distinct - 1, 0)
    quota = np.minimum(np.maximum((share * distinct + 0.5).astype(np.int64), 1), most)
    counts = np.zeros_like(quota)
    taken = set()

    def take(candidates, limit):
        for content in candidates:
            classes = list(classes_of[content])
            if content not in taken and (counts[classes] < limit[classes]).all():
                taken.add(content)
                counts[classes] += 1

    # Those of several classes first: the quotas of all their classes must have room for them.
    ordered = sorted(classes_of)
    take([each for each in ordered if len(classes_of[each]) > 1], quota)
    take(ordered, quota)
    for label in np.flatnonzero((counts == 0) & (quota > 0)):
        if not counts[label]:
            # All of it are copies, which the quotas of other classes kept out.
            for content in (each for each in ordered if label in classes_of[each]):
                if not counts[label]:
                    take([content], most)
            if not counts[label]:
                raise _NoSplit(int(label))
    return np.array([content in taken for content in contents], bool)


class _NoSplit(Exception):
    """No split leaves a class an image on either side; `label` is the class."""

    def __init__(self, label: int):
        super().__init__(label)
        self.label = label


def _contents(images: storage.Files | storage.TFRecords | storage.Pixels) -> Iterator[bytes]:
    """The SHA-256 of each image; of one that cannot be read, that of its name."""
    contents: Iterable[bytes]
    if isinstance(images, storage.Pixels):
        contents = (np.ascontiguousarray(each).tobytes() for each in images.pixels)
    else:
        contents = images.read_all()
    for index, content in enumerate(contents):
        content = content or b"unreadable " + images.name(index).encode()
        yield hashlib.sha256(content).digest()


def _shared(images: source_lib.Labelled, contents: Sequence[bytes]) -> str:
    """Tells of files with two labels, of which one must be wrong."""
    first, found = {}, {}
    for index, (content, label) in enumerate(zip(contents, images.labels.tolist())):
        one = first.setdefault(content, index)
        if images.labels[one] != label:
            found.setdefault(content, (one, index))
    if not found:
        return ""
    names = " and ".join(f"'{images.images.name(each)}'" for each in next(iter(found.values())))
    noun = "image is" if len(found) == 1 else "images are"
    return (
        f"{len(found):,} {noun} in more than one class, such as {names}; all copies of an image"
        " are on one side of the split"
    )
