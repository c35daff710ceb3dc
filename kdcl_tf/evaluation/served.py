"""Students in the form they are served in, and what they say of a data set."""

import dataclasses
import os
import pathlib

import numpy as np

from kdcl_tf import data
from kdcl_tf.evaluation.scores import scores
from kdcl_tf.serving import saved_model as serving
from kdcl_tf.training.workdir import read_flags


@dataclasses.dataclass(frozen=True)
class ServedStudent:
    """An exported student.

    Attributes:
      name: distinct among those that were loaded together.
      path: of the SavedModel.
      predict, card: as `serving.load_student` gives them.
    """

    name: str
    path: pathlib.Path
    predict: object
    card: dict

    @property
    def flags(self):
        """The flags of the run that it was trained in, `{}` when that is not around it."""
        return read_flags(self.path.parents[1] / "flags.txt")


def load_students(paths):
    """`ServedStudent`s, named by where their paths differ.

    Raises:
      ValueError: when a folder is no exported student.
    """
    found = []
    for name, path in zip(_names(paths), paths):
        predict, card = serving.load_student(path)
        found.append(ServedStudent(name, pathlib.Path(path), predict, card))
    return found


def load_dataset(
    card, name=None, data_dir=None, skip_bad_images=False, rules=data.ImageRules(), **subset
):
    """The named data set at the student's resolution, by default the one it learned.

    Args:
      card: of the student.
      name, data_dir, skip_bad_images, rules: as in `data.load`.  How images are scaled is as it was
        when the student learned.
      **subset: `holdout_per_class` and `train_per_class`, for the images it was trained on.

    Raises:
      ValueError, OSError: when there is none.
    """
    name = name or card.get("dataset")
    if not name:
        raise ValueError("the student does not say what it was trained on: pass --dataset")
    height, width, _ = card["image_shape"]
    # Only images in a data set's own size are not square.
    size = height if height == width else 0
    return data.load(
        name,
        data_dir=data_dir,
        image_size=size,
        distortion=card.get("distortion", "padded_crop"),
        normalization=data.Normalization.from_card(card) if "mean" in card else None,
        skip_bad_images=skip_bad_images,
        rules=rules,
        **subset,
    )


def check_fits(name, card, dataset):
    """Raises ValueError when the student's classes or images are not the data set's."""
    if card["num_classes"] != dataset.num_classes:
        raise ValueError(
            f"student {name} knows {card['num_classes']} classes, {dataset.name} has "
            f"{dataset.num_classes}: pass the --dataset it was trained on, or one like it"
        )
    if tuple(card["image_shape"]) != tuple(dataset.image_shape):
        raise ValueError(
            f"student {name} takes images of {card['image_shape']}, {dataset.name} has "
            f"{list(dataset.image_shape)}"
        )


def predictions(predict, split, batch_size=256):
    """What a student says of every image of a split that can be decoded.

    Returns:
      (`[N, C]` float32 logits, `[N]` labels).

    Raises:
      BadImageError: at the first image that cannot be, unless they are skipped.
    """
    parts = [(predict(images)["logits"], labels) for images, labels in split.pixels(batch_size)]
    return tuple(np.concatenate(each) for each in zip(*parts))


def score(predict, split, batch_size=256):
    """`scores` of a served student over every image of a split."""
    return scores(*predictions(predict, split, batch_size))


def _names(paths):
    """The part of each path that tells it from the others, without the folder `students`."""
    paths = [pathlib.Path(path) for path in paths]
    # The student's own name always belongs to it.
    common = os.path.commonpath([path.parent for path in paths])
    shortened = [path.relative_to(common).parts for path in paths]
    return ["/".join(part for part in parts if part != "students") for parts in shortened]
