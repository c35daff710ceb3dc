"""Exported students that are loaded, and their predictions."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving
from kdcl_tf.data import bad_images
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.files import moments, run_flags
from kdcl_tf.objectives.scores import scores
from kdcl_tf.serving import classes, images as images_lib, runtimes
from kdcl_tf.training.run_files import check_export


@dataclasses.dataclass(frozen=True)
class LoadedStudent:
    """An exported student that is loaded.

    Attributes:
      name: distinct among those that were loaded together.
      path: of the SavedModel, or of a LiteRT or ONNX file.
      predict, card: from `serving.load_student` or `runtimes.load_file`.
    """

    name: str
    path: pathlib.Path
    predict: Callable[..., Mapping[str, Any]]
    card: dict[str, Any]

    @property
    def flags(self) -> dict[str, str]:
        """The flags of the run that it is of; `{}` where nothing tells.

        The card has them; exports of older versions lie beside a `flags.txt`.
        """
        if "identity" in self.card:
            return self.card["identity"]["settings"]
        return run_flags.read(self.path.parent.parent / "flags.txt")


def load_students(paths: Sequence[str | os.PathLike]) -> list[LoadedStudent]:
    """Loads exported students, and names them by where their paths differ.

    Raises:
      ValueError: when a folder or file is no exported student, or a file's runtime is not
        installed.
    """
    found = []
    for name, path in zip(_names(paths), paths):
        load = runtimes.load_file if runtimes.is_file(path) else serving.load_student
        predict, card = load(path)
        found.append(LoadedStudent(name, pathlib.Path(path), predict, card))
    return found


def check_places(students: Sequence[LoadedStudent]) -> None:
    """Refuses students in a run's folder that are another's: of a name, a run or an epoch.

    Raises:
      ValueError: naming the first.
    """
    for student in students:
        check_export(student.path.parent.parent, student.path, student.card)


def told_of_epochs(students: Sequence[LoadedStudent]) -> str:
    """A line on exports of different epochs that lie in one run's folder, "" where all are alike.

    A run that ends exports its students anew, and leaves what `kdcl-export` made of them before.
    """
    epochs: dict[pathlib.Path, dict[str, str]] = {}
    for each in students:
        if moment := moments.told(each.card):
            epochs.setdefault(each.path.parent.parent, {})[each.name] = moment
    told = ", ".join(
        f"{name} of epoch {epoch}"
        for of_run in epochs.values()
        if len(set(of_run.values())) > 1
        for name, epoch in of_run.items()
    )
    return told and f"these were exported at different epochs: {told}; kdcl-export makes them anew"


def check_channels(students: Iterable[LoadedStudent], dataset: data.ImageDataset) -> None:
    """Refuses students of grey images where noise is added to images in colours.

    Their luminance would have less noise than is said, as each colour has its own.

    Raises:
      ValueError: naming the students.
    """
    channels = dataset.image_shape[-1]
    others = [each.name for each in students if each.card["image_shape"][-1] != channels]
    if others:
        raise ValueError(
            f"expected students of {channels} channels for --analysis=noise, as {dataset.name} has; "
            f"got others, {', '.join(others)}: pass --dataset of images that are as theirs"
        )


def fitted(
    student: LoadedStudent, dataset: data.ImageDataset, match_classes: str = "name"
) -> LoadedStudent:
    """The student with its logits and class names in the order of a data set's classes.

    One of grey images is given the luminance of images in colours.  Logits of classes that only
    the student knows come after those, so that its accuracy is among all the classes that it
    tells apart.

    Args:
      student: a loaded student.
      dataset: the data set that it is evaluated on.
      match_classes: one of `serving.classes.MATCHES`.

    Raises:
      ValueError: when the student's classes or images are not the data set's.
    """
    card = student.card
    order = classes.order(
        card["class_names"],
        dataset.class_names,
        student=f"student {student.name}",
        dataset=dataset.name,
        match=match_classes,
    )
    given, taken = (tuple(each) for each in (dataset.image_shape, card["image_shape"]))
    is_grey = (*given[:2], 1) == taken and given[2] == 3
    if given != taken and not is_grey:
        raise ValueError(
            f"expected images of {list(card['image_shape'])} for student {student.name}; got "
            f"{dataset.name} with {list(dataset.image_shape)}"
        )

    def predict(images, **options):
        images = images_lib.of_colours(images, 1) if is_grey else images
        found = student.predict(images, **options)
        return {name: tf.gather(values, order, axis=1) for name, values in found.items()}

    if order == list(range(len(order))) and not is_grey:
        return student
    names = [*dataset.class_names, *(card["class_names"][n] for n in order[dataset.num_classes :])]
    return dataclasses.replace(student, predict=predict, card={**card, "class_names": names})


def among_more(student: LoadedStudent, dataset: data.ImageDataset) -> str:
    """A line on a student of more classes than the data set has, "" on any other."""
    known, found = len(student.card["class_names"]), dataset.num_classes
    if known == found:
        return ""
    return (
        f"student {student.name} knows {known} classes, of which {dataset.name} has {found}: it is "
        f"evaluated among all {known}"
    )


def predictions(
    predict: Callable[[np.ndarray], Mapping[str, Any]],
    split: ImageSplit | EncodedSplit,
    batch_size: int = 256,
) -> tuple[np.ndarray, np.ndarray]:
    """A student's logits of every image of a split that can be decoded.

    Returns:
      (`[N, C]` float32 logits, `[N]` labels).

    Raises:
      BadImageError: at the first image that cannot be decoded, unless such images are skipped;
        and where that leaves none.
    """
    batches = split.pixels(batch_size)
    parts = [(answers(predict, images)["logits"], labels) for images, labels in batches]
    bad_images.check_any(len(parts), split)
    logits, labels = zip(*parts)
    return np.concatenate(logits), np.concatenate(labels)


def answers(
    predict: Callable[[np.ndarray], Mapping[str, Any]], images: np.ndarray
) -> dict[str, np.ndarray]:
    """What `predict` gives of a batch, in which an image is never alone.

    Kernels for CPUs treat a batch of one apart, and its last bits differ then: it is given
    twice. On processors without AVX-512 they may also differ between larger batches.

    Args:
      predict: from `serving.load_student`.
      images: `[B, H, W, C]` uint8, B >= 1.
    """
    alone = len(images) == 1
    found = predict(np.concatenate([images] * 2) if alone else images)
    return {name: np.asarray(values)[: len(images)] for name, values in found.items()}


def score(
    predict: Callable[[np.ndarray], Mapping[str, Any]],
    split: ImageSplit | EncodedSplit,
    batch_size: int = 256,
) -> dict[str, float | int]:
    """`scores` of a loaded student over every image of a split."""
    return scores(*predictions(predict, split, batch_size))


def _names(paths: Sequence[str | os.PathLike]) -> list[str]:
    """The part in which each path differs from the others.

    The folder `students` is left out, unless two names would be one then.
    """
    named = [pathlib.Path(path) for path in paths]
    # The student's own name always belongs to it.
    common = os.path.commonpath([path.parent for path in named])
    shortened = [path.relative_to(common).parts for path in named]
    found = ["/".join(part for part in parts if part != "students") for parts in shortened]
    is_distinct = len(set(found)) == len(found)
    return found if is_distinct else ["/".join(parts) for parts in shortened]
