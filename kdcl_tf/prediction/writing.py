"""Files of predictions: `.csv`, `.json` or `.html`, written line by line, and whole or not at all.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from kdcl_tf import files
from kdcl_tf.data.formats.rules import ImageRules

if TYPE_CHECKING:
    from kdcl_tf.prediction.predicting import Prediction

__all__ = ["FORMATS", "Subject", "check", "check_apart", "opened"]


class Subject(NamedTuple):
    """What all predictions of a file have in common.

    Attributes:
      student: the student's name.
      model: its path.
      images: how many images there are.
      top: how many classes each has.
      rules: of the images, for their pictures.
    """

    student: str
    model: str
    images: int
    top: int
    rules: ImageRules = ImageRules()


def check(path: pathlib.Path | None) -> None:
    """Raises ValueError unless the suffix of a file, if there is one, is one of `FORMATS`."""
    if path is not None and path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"expected --output to end in {', '.join(FORMATS)}, which says its format; got {path}"
        )


def check_apart(path: pathlib.Path | None, images: Iterable[str]) -> None:
    """Raises ValueError for a file, if there is one, that is one of the images to read."""
    if path is not None and os.path.realpath(path) in map(os.path.realpath, images):
        raise ValueError(f"expected --output to be another file than the images; got {path}")


@contextlib.contextmanager
def opened(path: pathlib.Path | None, subject: Subject) -> Iterator[Callable[[Prediction], None]]:
    """Gives a function that adds a prediction to the file, which is there when the block ends.

    After an error an older file is as it was.

    Args:
      path: one that `check` has passed, or None to write nothing.
      subject: of all predictions.

    Raises:
      OSError: when it cannot be written.
    """
    if path is None:
        yield lambda prediction: None
        return
    with files.replaced_file(path) as partial:
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            with FORMATS[path.suffix.lower()](file, subject) as add:
                yield add


@contextlib.contextmanager
def _csv(file: IO[str], subject: Subject):
    """A row for each image that could be read: its name, and its classes with probabilities."""
    rows = csv.writer(file, lineterminator="\n")
    numbers = range(1, subject.top + 1)
    rows.writerow(["image", *(f"{kind}_{n}" for n in numbers for kind in ("class", "probability"))])

    def add(prediction):
        if not prediction.fault:
            pairs = zip(prediction.classes, prediction.probabilities)
            rows.writerow([prediction.name, *(each for pair in pairs for each in pair)])

    yield add


@contextlib.contextmanager
def _json(file: IO[str], subject: Subject):
    """An object: the model, a list of the images with their classes, one of those not read."""
    skipped, begun = [], []
    facts = {"student": subject.student, "model": subject.model}
    file.write(json.dumps(facts)[:-1] + ', "images": [')

    def add(prediction):
        if prediction.fault:
            skipped.append({"image": prediction.name, "reason": prediction.fault})
            return
        file.write(f"{',' * bool(begun)}\n{json.dumps(_facts(prediction))}")
        begun[:] = [True]

    yield add
    file.write(f'\n], "skipped": {json.dumps(skipped)}}}\n')


def _facts(prediction: Prediction) -> dict[str, Any]:
    pairs: Sequence[tuple[str, float]] = list(zip(prediction.classes, prediction.probabilities))
    found = [{"class": name, "probability": probability} for name, probability in pairs]
    return {"image": prediction.name, "predictions": found}


@contextlib.contextmanager
def _html(file: IO[str], subject: Subject):
    """A page with a small picture of every image."""
    from kdcl_tf.prediction import page, thumbnails

    file.write(page.head(subject.student, subject.images))

    def add(prediction):
        picture = "" if prediction.fault else thumbnails.data_uri(prediction.path, subject.rules)
        file.write(page.figure(prediction, picture))

    yield add
    file.write(page.END)


# By suffix.
FORMATS = {".csv": _csv, ".json": _json, ".html": _html}
