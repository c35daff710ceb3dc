"""The data sets that students are evaluated on: found, and read as those they trained on."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf import data
from kdcl_tf.data import distortions
from kdcl_tf.evaluation import run_data
from kdcl_tf.evaluation.loaded import LoadedStudent
from kdcl_tf.files import identity

UNKNOWN = (
    "expected the name of a data set; got none, and the student's card does not tell what it was "
    "trained on: pass dataset=NAME"
)


def load_dataset(
    card: Mapping[str, Any],
    name: str | None = None,
    data_dir: str | None = None,
    skip_bad_images: bool = False,
    rules: data.ImageRules = data.ImageRules(),
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
    **subset: Any,
) -> data.ImageDataset:
    """The named data set at the student's resolution, by default the one it was trained on.

    Images are scaled as those that the student was trained on, turned upright only if those
    were, and found in TFRecords under the same features.  Of its own set, wherever it lies now,
    those are left out as too large that its run left out.

    Args:
      card: the student's.
      name, data_dir, skip_bad_images, rules: as in `data.load`.
      keys: `tfrecord_image_key` and `tfrecord_label_key`, where they are not the run's.
      **subset: further arguments of `data.load`: `holdout_per_class` and `train_per_class`, for
        the images it was trained on; `test_share` and `validation_share`, see `shares.shares_of`;
        `needs_train` and `needs_validation`.

    Raises:
      ValueError, OSError: when there is no such data set.
    """
    name = name or card.get("dataset")
    if not name:
        raise ValueError(UNKNOWN)
    rules = rules.as_trained(card)
    limited = rules.limited_as(card)
    if limited != rules and run_data.is_of_run(card, name, keys):
        rules = limited
    height, width, _ = card["image_shape"]
    # Only images in a data set's own size are not square.
    size = height if height == width else 0
    return data.load(
        name,
        data_dir=data_dir,
        image_size=size,
        **run_data.features(card, name, keys),
        distortion=card.get("distortion", "padded_crop"),
        normalization=data.Normalization.from_card(card) if "mean" in card else None,
        skip_bad_images=skip_bad_images,
        rules=rules,
        **subset,
    )


def check_unchanged(
    students: Sequence[LoadedStudent],
    dataset: data.ImageDataset,
    compared: Sequence[str] = ("classes", "test", "validation"),
) -> None:
    """Refuses a data set that is called as the one trained on, and has other classes or images.

    Args:
      students: of runs on a data set of that name.
      dataset: the data set as it is now.
      compared: parts of its digest; the training images are those of the runs only where they
        were chosen as there.

    Raises:
      ValueError: saying what differs.
    """
    now = {key: value for key, value in dataset.digest().items() if key in compared}
    for student in students:
        before = student.card.get("identity", {}).get("data", {})
        changes = identity.data_changes({key: before[key] for key in now if key in before}, now)
        if changes:
            share = student.flags.get("test_share", "0.0")
            trained = ", some of which it may have been trained on" if float(share) else ""
            raise ValueError(
                f"{dataset.name} is not what {student.name} was trained with: {changes}; restore "
                f"the images, or pass dataset={dataset.name} to evaluate on them as they are{trained}"
            )


def check_alike(
    students: Sequence[LoadedStudent],
    name: str,
    rules: data.ImageRules = data.ImageRules(),
    keys: Mapping[str, str | None] = types.MappingProxyType({}),
) -> None:
    """Refuses students for whom the images of a data set are read differently.

    An analysis shows all students the same images, and a student is judged fairly only by images
    that are scaled, cut and turned as those that it was trained on.

    Args:
      students: that are analysed together.
      name: of the data set.
      rules: as in `data.load`.
      keys: as in `load_dataset`.

    Raises:
      ValueError: naming the first that differs from the first student, and how.
    """
    first, *others = ((each.name, _read_as(each.card, name, rules, keys)) for each in students)
    for other in others:
        if other[1] != first[1]:
            raise ValueError(
                "expected students of images that are read alike, to be analysed together; got "
                f"{first[0]} of images {first[1]}, and {other[0]} of images {other[1]}: analyse "
                "them one at a time"
            )


def _read_as(card, name, rules, keys):
    """How `load_dataset` reads images for a student, in words."""
    height, width, _ = card["image_shape"]
    tall, wide = distortions.scaled_size(card.get("distortion", "padded_crop"), height, width)
    cut = f" and cut to {height} x {width}" if (tall, wide) != (height, width) else ""
    turned = "" if rules.as_trained(card).apply_exif_orientation else ", not turned upright"
    named = ", ".join(filter(None, run_data.features(card, name, keys).values()))
    return f"scaled to {tall} x {wide}{cut}{turned}{f', of the features {named}' * bool(named)}"
