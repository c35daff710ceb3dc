"""The size that images are resized to by default, and whether they fit in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kdcl_tf.data.formats import header

# Images whose median shorter side is at most this many pixels keep it as their size.
LARGEST_OWN = 96

# The size of all is judged by so many training images, evenly spread.
_SAMPLED = 256

# The most that images in memory may take. With more, the machine could swap, or kill the
# process in the middle of a long load.
MAXIMUM_BYTES = 16_000_000_000


def by_median(images: Any, default: int) -> tuple[int, str]:
    """The size that images are resized to where theirs differ and none is asked for.

    Reads the headers of some of them.

    Args:
      images: a class of `storage`.
      default: pixels a side for images that are larger than `LARGEST_OWN`.

    Returns:
      (pixels a side, a line that says why).
    """
    positions = np.unique(np.linspace(0, len(images) - 1, min(_SAMPLED, len(images))).astype(int))
    sides = [side for side in (_shorter_side(images, index) for index in positions) if side]
    if not sides:
        return default, f"image size: {default} pixels, as no size of an image could be read"
    median = int(np.median(sides))
    told = f"the median shorter side of {len(sides)} training images is {median}"
    if median <= LARGEST_OWN:
        return median, f"image size: {median} pixels, as {told}, which is {LARGEST_OWN} or less"
    return default, (
        f"image size: {default} pixels, the default of these students, as {told}, more than"
        f" {LARGEST_OWN}"
    )


def _shorter_side(images, index):
    """Pixels, or None for an image that cannot be read or has no sound header."""
    try:
        found = header.read(images.read(index))
    except Exception:  # Pillow raises errors of all kinds.
        return None
    return min(found.height, found.width)


def fit_in_memory(
    name: str, splits: Mapping[str, Any], encoded: bool, storage: str
) -> tuple[bool, str]:
    """Whether the images of all splits live in memory.

    Args:
      name: of the data set, for messages.
      splits: `EncodedSplit`s by name.
      encoded: whether memory would hold their encoded bytes instead of their pixels.
      storage: "memory", "disk", or "auto", which is memory where they fit.

    Returns:
      (whether they do, a line that says why not, or "").

    Raises:
      ValueError: when they are to live there and are too large.
    """
    if storage == "disk":
        return False, ""
    if encoded:
        size = sum(split.images.size(MAXIMUM_BYTES) for split in splits.values())
    else:
        size = sum(len(split) * int(np.prod(split.image_shape)) for split in splits.values())
    if size <= MAXIMUM_BYTES:
        return True, ""
    count = sum(map(len, splits.values()))
    height, width = splits["train"].size
    told = (
        f"{count} images take more than {MAXIMUM_BYTES / 1e9:g} GB encoded"
        if encoded
        else f"{count} images of {height}x{width} take {size / 1e9:.1f} GB decoded"
    )
    if storage == "memory":
        raise ValueError(
            f"data set {name!r} is too large to hold in memory: {told}; expected at most"
            f" {MAXIMUM_BYTES / 1e9:g} GB; pass storage=disk, or a smaller image_size"
        )
    return False, f"images stay on disk: {told}, more than {MAXIMUM_BYTES / 1e9:g} GB"
