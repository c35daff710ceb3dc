"""Random distortions of images, each a policy that is a pure function of its random numbers.

The registry is read before TensorFlow is imported; a policy itself only when it is made.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """What is known of a distortion by its name.

    Attributes:
      module, policy: where its class is, and what it is called.
      windows: whether it shows windows of images as they are encoded, like
        `resized_crop.ResizedCrop`. Otherwise it distorts whole images of the size that
        students take, like `padded_crop.PaddedCrop`.
      summary: a few words for a person who chooses.
    """

    module: str
    policy: str
    windows: bool
    summary: str


DISTORTIONS = {
    "padded_crop": Entry("padded_crop", "PaddedCrop", False, "pad, crop, flip"),
    "resized_crop": Entry(
        "resized_crop",
        "ResizedCrop",
        True,
        "ImageNet's windows of any scale and shape, flip and colours",
    ),
    "none": Entry("undistorted", "Undistorted", False, "images as they are, alike for all"),
}


def create(name: str, **options: Any) -> Any:
    """The policy of a distortion.

    Args:
      name: of `DISTORTIONS`.
      **options: of its class; every one has `flip`, whether images are mirrored at all.
    """
    entry = DISTORTIONS[name]
    return getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.policy)(**options)
