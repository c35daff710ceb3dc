"""Images with which what is exported of a run is checked and calibrated."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kdcl_tf import data
from kdcl_tf.classification import inputs
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.files import identity, streams
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import pictures as pictures_lib
from kdcl_tf.serving.formats.names import FORMATS
from kdcl_tf.serving.formats.pictures import Pictures

__all__ = ["NotFoundError", "Wanted", "load", "of_flags", "pictures"]


class NotFoundError(ValueError):
    """The data of a run is not there, or is not what the run was trained with."""


class Wanted(NamedTuple):
    """Which images are asked for.

    Attributes:
      folder: of images to check with, or None.
      tests: at most so many of those, or of the run's test images; 0 for all.
      needs_tests: whether the run's test images are needed where no folder is given.
      calibration: a folder of images to calibrate with, or None for the run's training images.
      calibrations: how many images to calibrate with; 0 where nothing is calibrated.
    """

    folder: str | None
    tests: int
    needs_tests: bool
    calibration: str | None
    calibrations: int


def of_flags(
    values: Mapping[str, Any], forms: Sequence[str], settings: Settings, card: Card
) -> tuple[Pictures, Pictures | None]:
    """(images to check with, images to calibrate with or None) for formats, see `pictures`.

    Args:
      values: `{flag: value}` of `kdcl-export`.
      forms: names of formats.
      settings: of the run.
      card: of any of its students.

    Raises:
      ValueError: as `pictures`; where data of the run is not found, with the flags that help.
    """
    calibrates = "litert_int8" in forms
    wanted = Wanted(
        values["images"],
        values["test_images"],
        any(FORMATS[each].needs_images for each in forms),
        values["calibration"],
        values["calibration_images"] if calibrates else 0,
    )
    settings = dataclasses.replace(settings, dataset=values["dataset"] or settings.dataset)
    folder = values["images"] or values["calibration"]
    try:
        with streams.quiet_reading(f"folder:{folder}" if folder else settings.dataset):
            return pictures(wanted, settings, card, values["data_dir"])
    except NotFoundError as error:
        raise ValueError(
            f"{error}; restore it, pass --dataset or --data_dir, or give other images by "
            "--images=FOLDER"
            f"{' and --calibration=FOLDER' * calibrates}"
        ) from error


def pictures(
    wanted: Wanted, settings: Settings, card: Card, data_dir: str | None
) -> tuple[Pictures, Pictures | None]:
    """(images to check with, images to calibrate with or None).

    The data of the run is not read unless it is needed; images of noise do where nothing is.

    Args:
      wanted: what is asked for.
      settings: of the run.
      card: of any of its students.
      data_dir: where TFDS keeps its data, or None.

    Raises:
      NotFoundError: when data of the run is needed and is not found.
      ValueError: when a folder has no images, or one cannot be decoded.
    """
    try:
        return _pictures(wanted, settings, card, data_dir)
    except BadImageError as error:
        # No flag of an export leaves images out, and the limits are the run's.
        fault = re.split("; (?:pass skip_bad_images|raise max_image_)", str(error))[0]
        raise ValueError(f"{fault}: mend the image, or give others") from error


def _pictures(wanted, settings, card, data_dir):
    rules, calibration, dataset = settings.image_rules, None, None
    tests = wanted.needs_tests and not wanted.folder
    if tests or (wanted.calibrations and not wanted.calibration):
        dataset = load(settings, data_dir, card.more["identity"]["data"])
    if wanted.folder:
        checked = pictures_lib.of_folder(wanted.folder, card, rules, wanted.tests)
    elif tests:
        checked = pictures_lib.spread(dataset.test, wanted.tests, "test images")
    else:
        checked = pictures_lib.noise(card.image_shape)
    if wanted.calibrations and wanted.calibration:
        calibration = pictures_lib.of_folder(wanted.calibration, card, rules, wanted.calibrations)
    elif wanted.calibrations:
        calibration = pictures_lib.spread(dataset.train, wanted.calibrations, "training images")
    return checked, calibration


def load(settings: Settings, data_dir: str | None, before: Mapping[str, Any]) -> data.ImageDataset:
    """The data set of a run, as it was trained on.

    Args:
      settings: of the run.
      data_dir: where TFDS keeps its data, or None.
      before: the digest of the data in the run's identity.

    Raises:
      NotFoundError: when the data is not there, or is not what the run was trained with.
      BadImageError: when an image of it cannot be decoded, as far as all are decoded here.
    """
    try:
        dataset = inputs.load_dataset(settings, data_dir)
    except BadImageError:
        # The data is there.
        raise
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"{settings.dataset}, the data of the run, is not found: {error}"
        ) from error
    changes = identity.data_changes(before, dataset.digest())
    if changes:
        raise NotFoundError(f"{settings.dataset} is not what the run was trained with: {changes}")
    return dataset
