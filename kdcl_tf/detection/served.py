"""Detectors as they are served: a SavedModel that takes a uint8 image and needs only TensorFlow."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import exported_detector
from kdcl_tf.detection.found import Found
from kdcl_tf.detection.model import feature_pyramid
from kdcl_tf.detection.model.detector import Detector
from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT
from kdcl_tf.serving import exported, replacing
from kdcl_tf.students import precision

if TYPE_CHECKING:
    from kdcl_tf.detection.model.backbone_source import BackboneSource
    from kdcl_tf.detection.scenes.dataset import SceneDataset
    from kdcl_tf.detection.settings import DetectionSettings

# The facts that a card must have for the detector to be used.
_FACTS = ("detector", "dataset", "class_names")


class _ServedDetector(tf.Module):
    """Scales, normalises and pads an image, runs the detector, and gives boxes in its pixels."""

    def __init__(self, detector, card):
        super().__init__()
        # Not the detector itself: its feature pyramid of keras-cv has dicts whose keys are
        # numbers, which TensorFlow cannot save.
        self.weights = [variable.value for variable in detector.variables]
        self._detect = lambda images, sizes: detector.detect(images, sizes)
        self._multiple = detector.multiple
        self._short, self._long = card["short_side"], card["long_side"]
        self._normalization = Normalization.from_card(card)
        image = tf.TensorSpec([None, None, 3], tf.uint8, name="image")
        self.serve = tf.function(self._serve, input_signature=[image], autograph=False)

    def _serve(self, image):
        original = tf.shape(image)[:2]
        size = self._scaled(original)
        pixels = tf.image.resize(tf.cast(image, tf.float32), size, antialias=True)
        pixels = self._normalization.apply(pixels)
        after = -size % self._multiple
        pixels = tf.pad(pixels, [[0, after[0]], [0, after[1]], [0, 0]])
        found = self._detect(pixels[None], size[None])
        found = {name: value[0] for name, value in found.items()}
        valid = found.pop("valid")
        found = {name: tf.boolean_mask(value, valid) for name, value in found.items()}
        scale = tf.cast(original / size, tf.float32)
        found["boxes"] *= tf.gather(scale, [1, 0, 1, 0])
        return found

    def _scaled(self, original):
        """As `scenes.views.scaled_sizes`."""
        sides = tf.cast(original, tf.float64)
        scale = tf.minimum(self._short / tf.reduce_min(sides), self._long / tf.reduce_max(sides))
        return tf.cast(tf.maximum(tf.floor(sides * scale + 0.5), 1.0), tf.int32)


def card_of(
    settings: DetectionSettings, source: BackboneSource, dataset: SceneDataset
) -> dict[str, Any]:
    """The facts of a detector for `export`: its classes, and how it scales and normalises."""
    return {
        "detector": settings.detector,
        "architecture": source.architecture,
        "dataset": dataset.name,
        "class_names": list(dataset.class_names),
        "category_ids": list(dataset.train.category_ids),
        "short_side": settings.short_side,
        "long_side": settings.long_side,
        **source.normalization.as_card(),
    }


def export(
    detector: Detector,
    path: str | os.PathLike,
    card: Mapping[str, Any],
    *,
    is_own: bool = False,
) -> pathlib.Path:
    """Writes a detector as a SavedModel that loads where `kdcl_tf` is not installed.

    Its signature `serving_default` takes `image`, uint8 `[H, W, 3]` of any size, and gives
    what it finds in it, highest score first: `boxes` `[n, 4]`, `[x1, y1, x2, y2]` in its pixels,
    `scores` `[n]`, `classes` `[n]` int32, a position in the `class_names` of `detector.json`,
    and of Mask R-CNN `masks` `[n, 28, 28]`, probabilities within each box.

    It computes in float32, whatever precision the detector was trained in.  Session loaders, such
    as TensorFlow Serving's, run it, too.  The LiteRT converter refuses it, since neither LiteRT
    nor its TensorFlow fallback has `ScaleAndTranslate`, which scales the image, and
    `LowerBound`, which chooses the level of a region.  Suppression, RoIAlign's sparse product
    and convolutions of images of any size would need that fallback even then.

    Args:
      detector: `Detector`, of any precision.
      path: the folder, written whole; it replaces an older one, of which other files than its own
        are kept.
      card: of `card_of`.
      is_own: whether the folder is known to be for this export, as that in a run is: then what is
        left of one is replaced, too.

    Returns:
      The path.

    Raises:
      FileExistsError: when the path exists and is no exported detector.
      ValueError: when the card has not as many class names as the detector has classes.
    """
    path = pathlib.Path(path).expanduser()
    replacing.check_replaced(path, "detector", exported_detector.CARD, is_own)
    if len(card["class_names"]) != detector.num_classes:
        raise ValueError(
            f"expected a name for each of the detector's {detector.num_classes} classes; got "
            f"{len(card['class_names'])}: give the card all of them, in their order"
        )
    served = _ServedDetector(_in_float32(detector), card)
    with files.replaced_folder(path) as partial:
        tf.saved_model.save(served, str(partial), signatures={"serving_default": served.serve})
        written = {"format": FORMAT, "checksums": identity.checksums(partial)}
        text = json.dumps(identity.sealed({**card, **written}), indent=2)
        (partial / exported_detector.CARD).write_text(text + "\n")
        replacing.keep_others(path, partial, exported_detector.CARD)
    return path


def _in_float32(detector):
    """The same detector computing in float32; itself, when it does so already."""
    if precision.is_float32(detector):
        return detector
    backbone = feature_pyramid.backbone_of(detector.pyramid)
    copy = Detector(
        precision.in_float32(backbone),
        detector.num_classes,
        masks=detector.mask_head is not None,
        regions_per_image=detector.regions_per_image,
        channels=next(iter(detector.pyramid.output.values())).shape[-1],
        dtype_policy="float32",
    )
    for variable, trained in zip(copy.variables, detector.variables, strict=True):
        variable.assign(trained.numpy())
    return copy


class ServedDetector:
    """An exported detector.

    Args:
      path: the folder of `export`, or a run that is complete.

    Attributes:
      card: of `detector.json`.

    Raises:
      ValueError: when there is none, or a damaged one.
    """

    def __init__(self, path: str | os.PathLike):
        found = exported_detector.find(path, "model", _FACTS)
        self.card = found.card
        try:
            self._model = exported.load(found.path)
        except ValueError as error:
            raise ValueError(f"model: {error}") from error

    @property
    def has_masks(self) -> bool:
        """Whether it draws masks of objects, too."""
        return self.card["detector"] == "mask"

    def __call__(self, image: np.ndarray) -> Found:
        """Detects objects in a uint8 image `[H, W, 3]`."""
        found = self._model.signatures["serving_default"](image=tf.convert_to_tensor(image))
        found = {name: np.asarray(value) for name, value in found.items()}
        height, width = image.shape[:2]
        return Found(masks=found.pop("masks", None), height=height, width=width, **found)
