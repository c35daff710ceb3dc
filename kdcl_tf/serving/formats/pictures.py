"""Images that exported files are checked and calibrated with, as an exported student takes them."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.bad_images import BadImages
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.distortions import margin_of
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.data.formats import finding
from kdcl_tf.data.formats.rules import SUFFIXES, ImageRules
from kdcl_tf.data.sources import contents
from kdcl_tf.files import spelling
from kdcl_tf.files.escaping import escaped
from kdcl_tf.serving import images as images_lib
from kdcl_tf.serving.cards import Card

__all__ = ["Pictures", "noise", "of_folder", "spread"]

_UNKNOWN = "(no class of the student's)"
_AT_ONCE = 64


class Pictures(NamedTuple):
    """Images of the size that a student takes.

    Attributes:
      images: `[N, H, W, C]` uint8.
      labels: `[N]` int64, -1 where unknown.
      source: what they are, in a few words such as "test images".
    """

    images: np.ndarray
    labels: np.ndarray
    source: str


def noise(image_shape: Sequence[int], count: int = 16) -> Pictures:
    """Images of random grey levels, always the same, for checks without any data."""
    levels = np.random.default_rng(0).integers(0, 256, [count, *image_shape])
    return Pictures(levels.astype(np.uint8), np.full([count], -1, np.int64), "images of noise")


def spread(split: ImageSplit | EncodedSplit, most: int, source: str) -> Pictures:
    """Images of a split, evenly spread over its order, always the same.

    Args:
      split: of a data set.
      most: how many at most; 0 for all.
      source: what they are.

    Raises:
      BadImageError: at one that cannot be decoded, unless the data set skips them.
      ValueError: when none is left.
    """
    count = len(split)
    if most and count > most:
        split = split.take(np.unique(np.linspace(0, count - 1, most).astype(int)))
    parts = list(split.pixels(_AT_ONCE))
    if not parts:
        raise ValueError("expected at least one image that can be decoded; got none")
    images, labels = (np.concatenate(each) for each in zip(*parts))
    return Pictures(images, labels, source)


def of_folder(
    folder: str | os.PathLike, card: Card, rules: ImageRules = ImageRules(), most: int = 0
) -> Pictures:
    """The images in a folder and its folders, resized as evaluation resizes those of a student.

    An image in a folder that has the name of a class is of that class, whether letters are composed
    or decomposed in either name (Unicode's NFC and NFD). Files that are none of the images are told
    of on stderr.

    Args:
      folder: searched through for files that are images by their suffix; hidden ones are not.
      card: the student's.
      rules: how large an image may be, and whether it is turned upright.
      most: images evenly spread over the sorted paths; 0 for all.

    Raises:
      ValueError: when there is no image, or the student is of neither colours nor grey.
      BadImageError: at the first that cannot be decoded.
    """
    root = pathlib.Path(folder).expanduser()
    paths, passed_over = finding.images_below(root)
    told = contents.passed_over(passed_over)
    if not paths:
        raise ValueError(
            f"expected a folder with images ({', '.join(SUFFIXES)}); got none in"
            f" {escaped(str(root))}"
            f"{f' ({told})' * bool(told)}"
        )
    if told:
        print(f"{escaped(str(root))}: {len(paths):,} images; {told}", file=sys.stderr)
    found = [os.path.relpath(path, root) for path in paths]
    labels = _labels(found, card.class_names)
    names = np.array([os.fsencode(path) for path in found])
    split = EncodedSplit(
        storage.Files(str(root), names, rules.max_bytes),
        np.array(labels, np.int64),
        (*card.class_names, _UNKNOWN),
        (card.image_shape[0], card.image_shape[1]),
        BadImages(),
        margin_of(card.distortion),
        rules,
    )
    pictures = spread(split, most, "images of a folder")
    known = pictures.labels < card.num_classes
    images = images_lib.of_colours(pictures.images, card.image_shape[-1])
    return pictures._replace(images=images, labels=np.where(known, pictures.labels, -1))


def _labels(paths, class_names):
    """The classes whose names the folders of relative paths have, by number; else how many there are."""
    count = len(class_names)
    exact = {name: number for number, name in enumerate(class_names)}
    numbers = {spelling.composed(name): number for name, number in exact.items()}
    folders = [os.path.basename(os.path.dirname(path)) for path in paths]
    # Its own spelling first: cards of older runs may have two classes that differ in it alone.
    return [exact.get(each, numbers.get(spelling.composed(each), count)) for each in folders]
