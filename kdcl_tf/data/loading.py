"""From a data set's name to an `ImageDataset`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    normalization as normalization_lib,
    subsets,
)
from kdcl_tf.data.distortions import DISTORTIONS, margin_of
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.data.sources import contents, names, source as source_lib


def load(
    name: str,
    *,
    data_dir: str | None = None,
    holdout_per_class: int = 0,
    train_per_class: int = 0,
    image_size: int = 0,
    distortion: str = "padded_crop",
    storage: str | None = None,
    skip_bad_images: bool = False,
    default_size: int = 32,
    normalization: normalization_lib.Normalization | None = None,
    tfrecord_image_key: str | None = None,
    tfrecord_label_key: str | None = None,
    rules: ImageRules = ImageRules(),
    test_share: float = 0.0,
    validation_share: float = 0.0,
    needs_train: bool = True,
    needs_validation: bool = True,
) -> dataset_lib.ImageDataset:
    """Loads a data set into memory, or indexes it on disk; views and batches are the same.

    Args:
      name: `digits` (in scikit-learn, no download), `folder:PATH` (a folder of image
        files), `tfrecord:PATH` (a folder of TFRecord files, or a pattern) or a TFDS name.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default.
      holdout_per_class: training images of each class kept from training.
      train_per_class: other images of each class that are trained on; 0 is all of them.
      image_size: height and width of every image. 0 keeps the size of a TFDS set that says
        that all its images have one, and is 32 for digits; of other images it is their median
        shorter side, up to 96 pixels, or else `default_size`.
      distortion: a name of `data.DISTORTIONS`.
      storage: "memory" holds images there, decoded, or encoded where the distortion shows
        windows of them; "disk" decodes each when it is needed; None, or "auto", is memory
        for what fits in 16 GB.
      skip_bad_images: whether images that cannot be decoded are counted and left out;
        otherwise the first is an error.
      default_size: what the students that are going to be trained want photographs in.
      normalization: of the images; by default that of the images trained on, or of ImageNet
        where the distortion shows windows.
      tfrecord_image_key, tfrecord_label_key: names of the features that are the encoded image
        and its label; by default those of `features.KNOWN`.
      rules: how large an encoded image may be, and whether it is turned as its EXIF
        orientation says. One that is too large counts as one that cannot be decoded.
      test_share: of a folder without a test set, the share of the images of each class that
        become one, above 0 and below 1; see `sources.shares`.
      validation_share: the share of the training images of each class that become the
        validation set, in the same way; 0 for that of the folder, or none.
      needs_train: whether there must be training images. Without, none are loaded; but they must
        be there for a `validation_share`, and so must TFRecord files to train on, whose labels
        tell the classes.
      needs_validation: whether the validation set that a folder has is read.

    Raises:
      ValueError: for an unknown name, labels out of range, a class with too few
        images, an image that cannot be decoded, a set too large for memory.
      FileNotFoundError: when the data is not there and cannot be downloaded.
    """
    _check_arguments(name, storage, image_size, distortion)
    keys = tfrecord_image_key, tfrecord_label_key
    names.check_keys(name, *keys)
    names.check_shares(name, test_share, validation_share)
    # A share of the training images cannot be taken without them.
    needs = needs_train or bool(validation_share), needs_validation
    found = names.index(name, data_dir, image_size, *keys, test_share, *needs)
    source = _limited(found, rules)
    _check_source(name, source, needs_train)
    if validation_share:
        source = _validated(source, validation_share)
    chosen = _chosen(source, holdout_per_class, train_per_class)
    if not needs_train:
        chosen["train"] = chosen["train"].take(slice(0))
    size, why = _size(source, image_size, default_size)
    bad_images = bad_images_lib.BadImages(skip_bad_images)
    windows = DISTORTIONS[distortion].windows
    splits = _encoded(chosen, source.class_names, size, distortion, bad_images, rules)
    splits, why_disk = _placed(name, splits, windows, storage or "auto")
    measured = splits["train"] if len(splits["train"]) else splits["test"]
    normalization = normalization or _normalization(measured, windows)
    # Only now is it known which images are bad.
    lost = _lost(splits, source.class_names, bad_images)
    notes = (contents.told(source), why, why_disk, _left_out(bad_images), lost)
    told = "; ".join(filter(None, (contents.of_test(source), lost)))
    return _dataset(name, source, splits, normalization, distortion, bad_images, notes, told)


def _check_arguments(name: str, storage: str | None, image_size: int, distortion: str) -> None:
    names.validate_name(name)
    names.check_storage(name, storage)
    if image_size < 0:
        raise ValueError(f"image_size: expected 0 or more pixels; got {image_size}")
    if distortion not in DISTORTIONS:
        raise ValueError(f"distortion: expected {' or '.join(DISTORTIONS)}; got {distortion!r}")


def _limited(source: source_lib.Source, rules: ImageRules) -> source_lib.Source:
    """The source, whose images are only read if they are not too large."""
    from kdcl_tf.data import storage as storage_lib

    splits = {
        name: dataclasses.replace(each, images=storage_lib.limited(each.images, rules.max_bytes))
        for name in ("train", "test", "validation")
        if (each := getattr(source, name)) is not None
    }
    return source._replace(**splits)


def _validated(source: source_lib.Source, share: float) -> source_lib.Source:
    """The source with a share of its training images as its validation set."""
    from kdcl_tf.data.sources import shares

    if source.validation is not None:
        raise ValueError(
            f"validation_share={share}: expected a data set without a validation set; got one with"
            " a folder of it: leave out validation_share, or move the folder away"
        )
    rest, taken, told = shares.split(source.train, share, source.class_names, "validation_share")
    told = "; ".join(filter(None, (source.told, told if told not in source.told else "")))
    return source._replace(train=rest, validation=taken, told=told)


def _check_source(name: str, source: source_lib.Source, needs_train: bool) -> None:
    num_classes = len(source.class_names)
    if num_classes < 2 and needs_train:
        raise ValueError(
            f"data set {name!r}: expected at least 2 classes; got {num_classes}"
            f" {list(source.class_names)}"
        )
    source_lib.check_class_names(source.class_names)
    for split_name in ("train", "test", "validation"):
        split = getattr(source, split_name)
        if split is None:
            continue
        if not len(split) and (needs_train or split_name == "test"):
            raise ValueError(f"data set {name!r}: expected images in {split_name}; got none")
        source_lib.check_labels(split_name, split.labels, num_classes)


def _size(
    source: source_lib.Source, image_size: int, default_size: int
) -> tuple[tuple[int, int], str]:
    """(height and width that images are resized to, why it is these)."""
    if image_size:
        return (image_size, image_size), ""
    if source.size:
        return source.size, ""
    from kdcl_tf.data import sizes

    images = source.train.images if len(source.train) else source.test.images
    side, why = sizes.by_median(images, default_size)
    return (side, side), why


def _chosen(
    source: source_lib.Source, holdout_per_class: int, train_per_class: int
) -> dict[str, source_lib.Labelled]:
    """The images of each split, by the names that a data set has for its splits."""
    held_out, train = subsets.held_out_and_train(
        source.train.labels,
        len(source.class_names),
        holdout_per_class,
        train_per_class,
        source.class_names,
    )
    chosen = {
        "train": source.train.take(train),
        "held_out": source.train.take(held_out),
        "test": source.test,
    }
    return chosen if source.validation is None else {**chosen, "validation": source.validation}


def _encoded(
    chosen: Mapping[str, source_lib.Labelled],
    class_names: Sequence[str],
    size: tuple[int, int],
    distortion: str,
    bad_images: bad_images_lib.BadImages,
    rules: ImageRules,
) -> dict[str, Any]:
    """An `EncodedSplit` of each split."""
    from kdcl_tf.data import encoded

    margin = margin_of(distortion)
    return {
        name: encoded.EncodedSplit(
            each.images, each.labels, class_names, size, bad_images, margin, rules
        )
        for name, each in chosen.items()
    }


def _placed(
    name: str, splits: dict[str, Any], windows: bool, storage: str
) -> tuple[dict[str, Any], str]:
    """(the splits, moved to memory where they belong there; why they do not, or "")."""
    from kdcl_tf.data import sizes, storage as storage_lib

    in_memory, why = sizes.fit_in_memory(name, splits, windows, storage)
    if not in_memory:
        return splits, why
    if not windows:
        return {name: split.decoded() for name, split in splits.items()}, ""
    held = {
        name: dataclasses.replace(split, images=storage_lib.held(split.images))
        for name, split in splits.items()
    }
    return held, ""


def _dataset(name, source, splits, normalization, distortion, bad_images, notes, told):
    return dataset_lib.ImageDataset(
        name=name,
        **splits,
        class_names=source.class_names,
        normalization=normalization,
        flip=source.flip,
        distortion=distortion,
        bad_images=bad_images,
        notes=tuple(filter(None, notes)),
        told=told,
    )


def _normalization(train: Any, windows: bool) -> normalization_lib.Normalization:
    if windows:
        return normalization_lib.IMAGENET
    from kdcl_tf.data import measuring

    return measuring.measured(train)


def _left_out(bad_images: bad_images_lib.BadImages) -> str:
    return f"{len(bad_images)} images that cannot be decoded are left out" if bad_images else ""


def _lost(
    splits: Mapping[str, Any], class_names: Sequence[str], bad_images: bad_images_lib.BadImages
) -> str:
    """Names the classes whose images are all left out: a run would take them for classes still."""
    told = []
    for name, word in (("train", "training"), ("test", "test"), ("validation", "validation")):
        split = splits.get(name)
        if not bad_images.skip or not split:
            continue
        lost = bad_images_lib.classes_of_bad_images(split)
        kind = f"a {word} image that can be decoded"
        told.append(contents.classes_without(kind, class_names, lost))
    return "; ".join(filter(None, told))
