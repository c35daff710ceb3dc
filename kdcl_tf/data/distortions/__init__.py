"""Random distortions of images; each is a policy, a pure function of its random numbers.

The registry can be read without TensorFlow, which is imported only when a policy is created.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

# Test images of 224 are cut from 256 (paper, section 4.1); other sizes in proportion.
CENTRAL = 256 / 224


class Entry(NamedTuple):
    """A distortion in the registry.

    Attributes:
      module, policy: the module of its class, and the name of the class.
      windows: whether it takes encoded images and shows windows of them, like
        `resized_crop.ResizedCrop`. Otherwise it distorts whole images of the size that
        students take, like `padded_crop.PaddedCrop`.
      summary: a few words that describe it to a user.
    """

    module: str
    policy: str
    windows: bool
    summary: str


DISTORTIONS = {
    "padded_crop": Entry(
        "padded_crop",
        "PaddedCrop",
        False,
        "pads and crops whole images, and mirrors them, but not digits, letters or traffic signs of TFDS",
    ),
    "resized_crop": Entry(
        "resized_crop",
        "ResizedCrop",
        True,
        "shows random crops of many scales and aspect ratios, mirrored (but for those same sets) and in "
        "other colours, as for ImageNet",
    ),
    "none": Entry(
        "undistorted", "Undistorted", False, "shows images as they are, the same to all students"
    ),
}


def margin_of(name: str) -> float:
    """How many times the size of an image evaluation scales it to, before it cuts the centre.

    Args:
      name: as in `scaled_size`.
    """
    return CENTRAL if name in DISTORTIONS and DISTORTIONS[name].windows else 1.0


def scaled_size(name: str, height: int, width: int) -> tuple[int, int]:
    """The size that evaluation scales an image to, before it cuts `height` x `width` from it.

    Args:
      name: of the distortion that students were trained on; one that is not known, such as that
        of an older version, shows whole images.
      height, width: of what students take, in pixels.
    """
    margin = margin_of(name)
    return round(height * margin), round(width * margin)


def create(name: str, **options: Any) -> Any:
    """Creates the policy of a distortion.

    Args:
      name: a key of `DISTORTIONS`.
      **options: arguments of its class; all have `flip`, whether images are mirrored at all.
    """
    entry = DISTORTIONS[name]
    return getattr(importlib.import_module(f"{__name__}.{entry.module}"), entry.policy)(**options)
