"""Which image files are read, and whether they are turned upright."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

# Of the files that are taken for images in a folder.
SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")

_LIMITS = ("max_image_megabytes", "max_image_megapixels")


@dataclasses.dataclass(frozen=True)
class ImageRules:
    """The same for all images of a data set.

    The limits keep a damaged or malicious file from filling the memory: a PNG of a few
    kilobytes can claim billions of pixels. They are checked before an image is read, or
    before memory is taken for its pixels.

    Attributes:
      apply_exif_orientation: whether photographs are turned as their EXIF orientation says.
      max_image_megabytes: the largest encoded image, in 10^6 bytes.
      max_image_megapixels: the largest height x width, in 10^6 pixels.

    Raises:
      ValueError: when a limit is not a positive number.
    """

    apply_exif_orientation: bool = True
    max_image_megabytes: float = 256.0
    max_image_megapixels: float = 160.0

    def __post_init__(self):
        for name in _LIMITS:
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}: expected a number above 0; got {value}")

    @property
    def max_bytes(self) -> int:
        """The largest encoded image, in bytes."""
        return int(self.max_image_megabytes * 1e6)

    def as_trained(self, card: Mapping[str, Any]) -> ImageRules:
        """These rules, by which no image is turned where those of training were not.

        Args:
          card: of an exported student or detector.
        """
        if is_turned_in_training(card):
            return self
        return dataclasses.replace(self, apply_exif_orientation=False)

    def limited_as(self, card: Mapping[str, Any]) -> ImageRules:
        """These rules with the limits of a model's run, in the place of those that are the defaults.

        Args:
          card: of the exported student or detector, whose own images are to be read.
        """
        settings = card.get("identity", {}).get("settings", {})
        default = ImageRules()
        limits: dict[str, Any] = {
            name: float(settings[name])
            for name in _LIMITS
            if name in settings and getattr(self, name) == getattr(default, name)
        }
        return dataclasses.replace(self, **limits)

    def as_facts(self) -> list[float]:
        """All of them, for the key of what is kept of images that were read by these rules."""
        return list(dataclasses.astuple(self))

    def check_pixels(self, height: int, width: int) -> None:
        """Raises ValueError for an image without pixels, or with too many."""
        if height < 1 or width < 1:
            raise ValueError(f"expected at least one pixel; got {height} x {width}")
        if height * width > self.max_image_megapixels * 1e6:
            raise ValueError(
                f"expected at most {self.max_image_megapixels:g} megapixels; got {height} x"
                f" {width}, {height * width / 1e6:.4g} megapixels; raise max_image_megapixels if"
                " the image is meant to be that large"
            )


def too_many_bytes(size: int, most: int) -> str:
    """Says that a file or record is larger than the rules allow; both in bytes."""
    return (
        f"expected at most {most / 1e6:g} MB for an image; got {size / 1e6:.4g} MB; raise"
        " max_image_megabytes if the image is meant to be that large"
    )


def check_bytes(size: int, most: int) -> None:
    """Refuses an encoded image of `size` bytes if that is more than `most`.

    Raises:
      OSError: when it is.
    """
    if size > most:
        raise OSError(too_many_bytes(size, most))


def is_turned_in_training(card: Mapping[str, Any]) -> bool:
    """Whether photographs were turned upright in training, as they are unless the card denies it.

    Args:
      card: of an exported student or detector.
    """
    settings = card.get("identity", {}).get("settings", {})
    return settings.get("apply_exif_orientation") != "false"
