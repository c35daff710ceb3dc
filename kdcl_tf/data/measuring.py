"""What a pass over all images of a split tells: grey levels, which are cached, and bad images."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    decoding,
    normalization as normalization_lib,
    storage,
)
from kdcl_tf.data.sources import index_cache

_SECONDS_BETWEEN_LINES = 10.0


class PassLines:
    """Tells every ten seconds, on the standard error, how far a pass over images is.

    Args:
      doing: what is being done, and why, in words.
      total: the number of images.
    """

    def __init__(self, doing: str, total: int):
        self._doing, self._total, self._seen = doing, total, 0
        self._began = self._told = time.monotonic()

    def add(self, images: int) -> None:
        """Counts images that are done."""
        self._seen += images
        if time.monotonic() - self._told > _SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            print(
                f"{self._doing}: {self._seen} of {self._total} after"
                f" {self._told - self._began:.0f} s",
                file=sys.stderr,
            )


def check(split: Any, kind: str) -> None:
    """Decodes every image of a split once, so that a bad one is found before a run trains.

    Args:
      split: `EncodedSplit`.
      kind: of its images, such as "test", for a person.

    Raises:
      BadImageError: at the first image that cannot be decoded, unless skipped.
    """
    lines = PassLines(checking(kind), len(split))
    for _, indices in split.numbered():
        lines.add(len(indices))


def checking(kind: str) -> str:
    """What is being done where images are checked before training, for `PassLines`."""
    return f"decoding all {kind} images once, to find bad ones before training"


def measured(split: Any) -> normalization_lib.Normalization:
    """The normalisation under which all images of a split have mean 0 and deviation 1.

    Grey levels are counted exactly, so that images in memory and on disk give the same bits.
    The counts of images on disk are cached, and hold as long as every file keeps its name,
    size and time of change, and images are decoded as they were.

    Args:
      split: `ImageSplit` or `EncodedSplit`, with at least one image.

    Raises:
      BadImageError: when an image cannot be decoded and bad ones are not skipped, or when
        none can be decoded.
    """
    is_decoded = isinstance(split, dataset_lib.ImageSplit)
    counts = split.grey_levels() if is_decoded else _kept(split)["counts"]
    if not counts.any():
        raise bad_images_lib.BadImageError(
            f"expected training images that can be decoded; got none among {len(split)}"
        )
    return normalization_lib.Normalization.measured(counts)


def good_labels(split: Any) -> np.ndarray:
    """The labels of the images that can be decoded, `[n]` int64, in the order of the split.

    Where images stay on disk, all are decoded for it, unless that has been done before.

    Args:
      split: `ImageSplit` or `EncodedSplit`.

    Raises:
      BadImageError: when an image cannot be decoded and bad ones are not skipped.
    """
    if isinstance(split, dataset_lib.ImageSplit):
        return split.labels if split.good is None else split.labels[split.good]
    return np.delete(split.labels, _kept(split)["bad"])


def _kept(split):
    """What `_pass` finds of an `EncodedSplit`; bad images are reported also where it is cached."""
    if isinstance(split.images, (storage.Bytes, storage.Pixels)):
        return _pass(split)
    files, facts = split.images.identity()
    facts = [
        "grey levels",
        decoding.VERSION,
        *split.size,
        split.margin,
        *split.rules.as_facts(),
        *facts,
    ]

    def holds(found):
        # One may have been mended, or its permissions, under its old size and time.
        return not any(map(split.is_good, found["bad"]))

    found = index_cache.cached(files, facts, lambda: _pass(split), holds)
    for index in found["bad"]:
        split.report(index)
    return found


def _pass(split):
    """The counts, and the positions of bad images."""
    counts = np.zeros([split.image_shape[-1], normalization_lib.LEVELS], np.int64)
    good = np.zeros([len(split)], bool)
    lines = PassLines("decoding all training images once", len(split))
    for images, indices in split.numbered():
        counts += normalization_lib.grey_levels(images)
        good[indices] = True
        lines.add(len(images))
    return {"counts": counts, "bad": np.flatnonzero(~good)}
