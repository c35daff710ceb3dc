"""From a data set's name to an `ImageDataset`."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    normalization as normalization_lib,
    subsets,
)
from kdcl_tf.data.distortions import DISTORTIONS
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.data.sources import source as source_lib

STORAGES = ("auto", "memory", "disk")

# name, name/config, either with :version. TFDS's community namespaces
# ("huggingface:x") are left out: they reach for the network to be listed.
_TFDS_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:(\d+|\*)\.(\d+|\*)\.(\d+|\*))?")


def validate_name(name: str) -> None:
    """Checks how a data set's name is written, without looking it up.

    Args:
      name: `digits`, `folder:PATH`, `tfrecord:PATH` or a TFDS name such as `cifar100`,
        `cifar10_corrupted/fog_1` or `cifar100:3.0.2`.

    Raises:
      ValueError: when it can be none of these.
    """
    prefix = next((each for each in ("folder:", "tfrecord:") if name.startswith(each)), None)
    if prefix:
        if not name.removeprefix(prefix).strip():
            raise ValueError(f"data set: expected {prefix}PATH; got {name!r}")
    elif not _TFDS_NAME.fullmatch(name):
        raise ValueError(
            f"data set: expected digits, folder:PATH, tfrecord:PATH or a TFDS name such as"
            f" cifar100 or cifar10_corrupted/fog_1; got {name!r}"
        )


def check_storage(name: str, storage: str | None) -> None:
    """Checks that the images of a data set can live there.

    Raises:
      ValueError: when they cannot.
    """
    if storage is not None and storage not in STORAGES:
        raise ValueError(f"storage: expected {' or '.join(STORAGES)}; got {storage!r}")
    if storage == "disk" and name == "digits":
        raise ValueError("data set 'digits' has no files: expected storage=memory; got disk")


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
    rules: ImageRules = ImageRules(),
) -> dataset_lib.ImageDataset:
    """Loads a data set: into memory, or as an index of images on disk.

    What views and batches hold does not depend on which of the two it is.

    Args:
      name: `digits` (in scikit-learn, no download), `folder:PATH` (a folder of
        image files), `tfrecord:PATH` (a folder of TFRecord files, or a pattern) or
        a TFDS name.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default. Only
        for TFDS names.
      holdout_per_class: training images of each class kept from training.
      train_per_class: images of each class trained on, beside the held-out ones;
        0 is all of them.
      image_size: height and width of every image. 0 keeps the size of a TFDS set whose
        images have one; where they differ it is their median shorter side, up to 96
        pixels, or else `default_size`; of digits it is 32.
      distortion: a name of `data.DISTORTIONS`.
      storage: "memory" holds images there, decoded, or encoded where the distortion shows
        windows of them; "disk" decodes each when it is wanted; None, or "auto", is memory
        for what fits in 16 GB.
      skip_bad_images: whether images that cannot be decoded are counted and left out;
        otherwise the first is an error.
      default_size: what the students that are going to be trained want photographs in.
      normalization: of the images; by default that of the images trained on, or of ImageNet
        where the distortion shows windows.
      rules: how large an encoded image may be, and whether it is turned as its EXIF
        orientation says. One that is too large counts as one that cannot be decoded.

    Raises:
      ValueError: for an unknown name, labels out of range, a class with too few
        images, an image that cannot be decoded, a set too large for memory.
      FileNotFoundError: when the data is not there and cannot be downloaded.
    """
    validate_name(name)
    check_storage(name, storage)
    if image_size < 0:
        raise ValueError(f"image_size: expected 0 or more pixels; got {image_size}")
    if distortion not in DISTORTIONS:
        raise ValueError(f"distortion: expected {' or '.join(DISTORTIONS)}; got {distortion!r}")
    source = _limited(_source(name, data_dir, image_size), rules)
    _check_source(name, source)
    size, why_size = _size(source, image_size, default_size)
    windows = DISTORTIONS[distortion].windows
    bad_images = bad_images_lib.BadImages(skip_bad_images)
    splits = _splits(source, holdout_per_class, train_per_class, size, windows, bad_images, rules)
    splits, why_disk = _placed(name, splits, windows, storage or "auto")
    return dataset_lib.ImageDataset(
        name=name,
        **splits,
        class_names=source.class_names,
        normalization=normalization or _normalization(splits["train"], windows),
        flip=source.flip,
        distortion=distortion,
        bad_images=bad_images,
        notes=tuple(filter(None, (why_size, why_disk, _left_out(bad_images)))),
    )


def _source(name: str, data_dir: str | None, image_size: int) -> source_lib.Source:
    """Imports and indexes the one source that the name asks for."""
    if name == "digits":
        from kdcl_tf.data.sources import digits

        return digits.index(image_size)
    if name.startswith("folder:"):
        from kdcl_tf.data.sources import folder

        return folder.index(name.removeprefix("folder:").strip())
    if name.startswith("tfrecord:"):
        from kdcl_tf.data.sources import tfrecord

        return tfrecord.index(name.removeprefix("tfrecord:").strip())
    from kdcl_tf.data.sources import tfds

    return tfds.index(name, data_dir)


def _limited(source: source_lib.Source, rules: ImageRules) -> source_lib.Source:
    """The source, whose images are only read if they are not too large."""
    from kdcl_tf.data import storage as storage_lib

    train, test = (
        dataclasses.replace(each, images=storage_lib.limited(each.images, rules.max_bytes))
        for each in (source.train, source.test)
    )
    return source._replace(train=train, test=test)


def _check_source(name: str, source: source_lib.Source) -> None:
    num_classes = len(source.class_names)
    if num_classes < 2:
        raise ValueError(
            f"data set {name!r}: expected at least 2 classes; got {num_classes}"
            f" {list(source.class_names)}"
        )
    for split_name in ("train", "test"):
        split = getattr(source, split_name)
        if not len(split):
            raise ValueError(f"data set {name!r}: got no images in {split_name}")
        source_lib.check_labels(split_name, split.labels, num_classes)


def _size(source, image_size, default_size) -> tuple[tuple[int, int], str]:
    """(height and width that images are given, why)."""
    if image_size:
        return (image_size, image_size), ""
    if source.size:
        return source.size, ""
    from kdcl_tf.data import sizes

    side, why = sizes.by_median(source.train.images, default_size)
    return (side, side), why


def _splits(source, holdout_per_class, train_per_class, size, windows, bad_images, rules):
    """`EncodedSplit`s by the names that a data set has for them."""
    from kdcl_tf.data import encoded

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
    return {
        name: encoded.EncodedSplit(
            each.images,
            each.labels,
            source.class_names,
            size,
            bad_images,
            encoded.CENTRAL if windows else 1.0,
            rules,
        )
        for name, each in chosen.items()
    }


def _placed(name, splits, windows, storage) -> tuple[dict[str, Any], str]:
    """(the splits where they are going to live, why not in memory)."""
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


def _normalization(train, windows) -> normalization_lib.Normalization:
    if windows:
        return normalization_lib.IMAGENET
    from kdcl_tf.data import measuring

    return measuring.measured(train)


def _left_out(bad_images) -> str:
    return f"{len(bad_images)} images that cannot be decoded are left out" if bad_images else ""
