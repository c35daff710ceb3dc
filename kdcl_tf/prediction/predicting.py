"""What a student takes images for, in batches, so that any number of images fits in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kdcl_tf.data import bad_images, distortions, encoded, storage
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.evaluation import loaded
from kdcl_tf.files import escaping
from kdcl_tf.serving import images as images_lib

__all__ = ["Prediction", "predictions"]


class Prediction(NamedTuple):
    """What a student takes one image for.

    Attributes:
      path: of the image, as it was given.
      classes: the names of the most probable classes, the most probable first.
      probabilities: of these classes, as exactly as float32 holds them.
      fault: why the image could not be read; then there are no classes.
    """

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    fault: str = ""

    @property
    def name(self) -> str:
        """The path on one line, see `files.escaping`."""
        return escaping.escaped(self.path)

    def __str__(self):
        """A line for a person."""
        found = (f"{name} {share:.2%}" for name, share in zip(self.classes, self.probabilities))
        return f"{self.name}: {self.fault or ', '.join(map(escaping.escaped, found))}"


class _Faults(bad_images.BadImages):
    """Keeps why images cannot be read, instead of a listing of them."""

    def __init__(self):
        super().__init__(skip=True)

    def report(self, name: str, class_name: str, reason: str) -> None:
        self.found.setdefault(name, reason)


def predictions(
    student: loaded.LoadedStudent,
    paths: Sequence[str],
    top: int = 5,
    batch_size: int = 32,
    rules: ImageRules = ImageRules(),
) -> Iterator[Prediction]:
    """Gives a `Prediction` of every image, in order.

    An image is decoded, scaled and cut as evaluation does it for this student, so that the
    logits are those that `loaded.predictions` has for it, to rounding.

    Args:
      student: a loaded student.
      paths: of image files.
      top: how many classes to name; of fewer, all.
      batch_size: images at a time.
      rules: how large an image may be, and whether it is turned.

    Raises:
      ValueError: for a student of images that are neither RGB nor grey.
    """
    # Outside the generator, so that it is known at once whether the student can be used.
    return _in_batches(student, split(student, paths, rules), paths, top, batch_size)


def _in_batches(student, images, paths, top, batch_size):
    start = 0
    for pixels, positions in images.numbered(batch_size):
        end = min(start + batch_size, len(paths))
        answers = iter(_most_probable(student, pixels, top) if len(pixels) else ())
        good = set(positions.tolist())
        for position in range(start, end):
            if position in good:
                yield Prediction(paths[position], *next(answers))
            else:
                name = images.images.name(position)
                yield Prediction(paths[position], fault=images.bad_images.found[name])
        start = end


def split(
    student: loaded.LoadedStudent, paths: Sequence[str], rules: ImageRules = ImageRules()
) -> encoded.EncodedSplit:
    """Image files as evaluation of this student would see them, in colours.

    Raises:
      ValueError: for a student of images that are neither RGB nor grey.
    """
    height, width, channels = student.card["image_shape"]
    if channels not in (1, 3):
        raise ValueError(
            "expected a student of images with 3 channels, red, green and blue, or 1, grey; got "
            f"{student.path} of {channels}"
        )
    rules = rules.as_trained(student.card)
    names = np.array([os.fsencode(path) for path in paths])
    return encoded.EncodedSplit(
        storage.limited(storage.Files("", names), rules.max_bytes),
        np.zeros([len(paths)], np.int64),
        # Nobody has said what is in them.
        ("",),
        (height, width),
        _Faults(),
        distortions.margin_of(student.card.get("distortion", "padded_crop")),
        rules,
    )


def _most_probable(student, pixels, top):
    """Yields `(classes, probabilities)` of each image."""
    pixels = images_lib.of_colours(pixels, student.card["image_shape"][-1])
    found = loaded.answers(student.predict, pixels)
    logits, probabilities = np.asarray(found["logits"]), np.asarray(found["probabilities"])
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    names = student.card["class_names"]
    for best, row in zip(order, probabilities):
        # The shortest decimal that is this float32.
        yield tuple(names[each] for each in best), tuple(float(str(row[each])) for each in best)
