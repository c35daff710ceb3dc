"""Exported students that are loaded, the data sets that fit them, and their predictions."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving
from kdcl_tf.data import bad_images, distortions
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.data.sources import names
from kdcl_tf.evaluation.scores import scores
from kdcl_tf.files import identity
from kdcl_tf.serving import classes, runtimes
from kdcl_tf.training.ownership import other_settings, read_flags
from kdcl_tf.training.workdir import read_result


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
        return read_flags(self.path.parent.parent / "flags.txt")


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


def check_unchanged(students: Sequence[LoadedStudent], dataset: data.ImageDataset) -> None:
    """Refuses a data set that is called as the one trained on, and has other classes or tests.

    Raises:
      ValueError: saying what differs.
    """
    compared = ("classes", "test", "validation")
    now = {key: value for key, value in dataset.digest().items() if key in compared}
    for student in students:
        before = student.card.get("identity", {}).get("data", {})
        changes = identity.data_changes({key: before[key] for key in now if key in before}, now)
        if changes:
            raise ValueError(
                f"{dataset.name} is not what {student.name} was trained with: {changes}; restore "
                f"the images, or pass dataset={dataset.name} to evaluate on them as they are"
            )


def check_places(students: Sequence[LoadedStudent]) -> None:
    """Refuses students that lie in a run's folder under another's name, or are another run's.

    Raises:
      ValueError: naming the first.
    """
    for student in students:
        _check_place(student.path, student.card)


def _check_place(path, card):
    if card.get("student", path.name) != path.name:
        raise ValueError(
            f"{path} holds student {card['student']}: put each in the folder of its name"
        )
    result = read_result(path.parent.parent) or {}
    if "identity" not in card or "identity" not in result:
        return
    differ = other_settings(result["identity"]["settings"], card["identity"]["settings"])
    if differ:
        raise ValueError(
            f"{path} is of another run than result.json beside it, with another "
            f"{', '.join(f'--{name}' for name in differ)}: export it again"
        )


def check_alike(
    students: Sequence[LoadedStudent], name: str, rules: data.ImageRules = data.ImageRules()
) -> None:
    """Refuses students for whom the images of a data set are read differently.

    An analysis shows all students the same images, and a student is judged fairly only by images
    that are scaled, cut and turned as those that it was trained on.

    Args:
      students: that are analysed together.
      name: of the data set.
      rules: as in `data.load`.

    Raises:
      ValueError: naming the first that differs from the first student, and how.
    """
    first, *others = ((each.name, _read_as(each.card, name, rules)) for each in students)
    for other in others:
        if other[1] != first[1]:
            raise ValueError(
                "expected students of images that are read alike, to be analysed together; got "
                f"{first[0]} of images {first[1]}, and {other[0]} of images {other[1]}: analyse "
                "them one at a time"
            )


def _read_as(card, name, rules):
    """How `load_dataset` reads images for a student, in words."""
    height, width, _ = card["image_shape"]
    tall, wide = distortions.scaled_size(card.get("distortion", "padded_crop"), height, width)
    cut = f" and cut to {height} x {width}" if (tall, wide) != (height, width) else ""
    turned = "" if rules_of(card, rules).apply_exif_orientation else ", not turned upright"
    keys = ", ".join(filter(None, _features(card, name).values()))
    return f"scaled to {tall} x {wide}{cut}{turned}{f', of the features {keys}' * bool(keys)}"


def _features(card, name):
    """The features of TFRecords that the student's run named, as arguments of `data.load`."""
    settings = card.get("identity", {}).get("settings", {})
    keys = ("tfrecord_image_key", "tfrecord_label_key") if name.startswith("tfrecord:") else ()
    return {key: settings.get(key) or None for key in keys}


def load_dataset(
    card: Mapping[str, Any],
    name: str | None = None,
    data_dir: str | None = None,
    skip_bad_images: bool = False,
    rules: data.ImageRules = data.ImageRules(),
    **subset: Any,
) -> data.ImageDataset:
    """The named data set at the student's resolution, by default the one it was trained on.

    Images are scaled as those that the student was trained on, turned upright only if those
    were, and found in TFRecords under the same features.

    Args:
      card: the student's.
      name, data_dir, skip_bad_images, rules: as in `data.load`.
      **subset: further arguments of `data.load`: `holdout_per_class` and `train_per_class`, for
        the images it was trained on; `test_share` and `validation_share`, see `shares_of`; and
        `needs_train`.

    Raises:
      ValueError, OSError: when there is no such data set.
    """
    name = name or card.get("dataset")
    if not name:
        raise ValueError(
            "expected the name of a data set; got none, and the student's card does not tell what "
            "it was trained on: pass dataset=NAME"
        )
    height, width, _ = card["image_shape"]
    # Only images in a data set's own size are not square.
    size = height if height == width else 0
    return data.load(
        name,
        data_dir=data_dir,
        image_size=size,
        **_features(card, name),
        distortion=card.get("distortion", "padded_crop"),
        normalization=data.Normalization.from_card(card) if "mean" in card else None,
        skip_bad_images=skip_bad_images,
        rules=rules_of(card, rules),
        **subset,
    )


def rules_of(card: Mapping[str, Any], rules: data.ImageRules) -> data.ImageRules:
    """The rules, by which no image is turned where the student's own were not."""
    settings = card.get("identity", {}).get("settings", {})
    if settings.get("apply_exif_orientation") == "false":
        return dataclasses.replace(rules, apply_exif_orientation=False)
    return rules


def shares_of(card: Mapping[str, Any], name: str | None, own: bool) -> dict[str, float]:
    """The shares that split a data set so that no student is tested on what it was trained on.

    A folder of class folders that the student's run has split is split again, wherever it lies now,
    if its test images then are those of the run. Any other is evaluated as a whole.

    Args:
      card: the student's.
      name: of the data set.
      own: whether it is the one that the student was trained on, by name.

    Returns:
      `test_share` and `validation_share` of `data.load`.
    """
    known = card.get("identity", {})
    found = {
        share: float(known.get("settings", {}).get(share, 0))
        for share in ("test_share", "validation_share")
    }
    if own or name is None or not found["test_share"]:
        return found if own else {}
    kind, where = names.parse(name)
    if kind != "folder":
        return {}
    from kdcl_tf.data.sources import folder

    try:
        again = folder.index(where, found["test_share"])
    except (OSError, ValueError):
        return {}
    before = known.get("data", {}).get("test", {})
    is_same = again.test.images.digest()["names"] == before.get("names")
    return found if is_same else {}


def fitted(
    student: LoadedStudent, dataset: data.ImageDataset, match_classes: str = "name"
) -> LoadedStudent:
    """The student with its logits and class names in the order of a data set's classes.

    Logits of classes that only the student knows come after those, so that its accuracy is
    among all the classes that it tells apart.

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
    if tuple(card["image_shape"]) != tuple(dataset.image_shape):
        raise ValueError(
            f"expected images of {list(card['image_shape'])} for student {student.name}; got "
            f"{dataset.name} with {list(dataset.image_shape)}"
        )

    def predict(images, **options):
        found = student.predict(images, **options)
        return {name: tf.gather(values, order, axis=1) for name, values in found.items()}

    if order == list(range(len(order))):
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
    """What `predict` gives of a batch, the same for an image in whatever batch it comes.

    Kernels for CPUs treat a batch of one apart, and its last bits differ then: it is given
    twice.

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
