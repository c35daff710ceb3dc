"""Data sets of TensorFlow Datasets, read from their prepared files."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    encoded,
    errors,
    resize,
)
from kdcl_tf.data.sources import network, tfrecord

DEFAULT_SIZE = 32
TEST_NAMES = ("test", "validation")

# Mirrored writing is other writing. TFDS does not say which sets are of
# characters, so they are listed.
NEVER_FLIPPED = frozenset(
    "cmaterdb emnist kmnist mnist mnist_corrupted omniglot svhn_cropped".split()
)


def read(name: str, data_dir: str | None = None, image_size: int = 0) -> dataset_lib.Source:
    """Reads a prepared TFDS set; downloads and prepares it when it must.

    Args:
      name: TFDS name, `name[/config][:version]`.
      data_dir: the folder that holds the set's folder; None is TFDS's default.
      image_size: height and width; 0 keeps the set's own size, or is 32 where
        its images differ in size.

    Returns:
      All of `train` and of `test` (`validation` in sets without it), in the
      order of the files. Grey images become RGB.

    Raises:
      ValueError: unknown name; no image classification set; no such split; too
        large for memory.
      FileNotFoundError: not prepared, and it cannot be downloaded.
    """
    builder = builder_of(name, data_dir)
    image_key, label_key = _keys(name, builder.info)
    prepare(name, builder)
    train_name = _split_name(name, builder.info, ("train",))
    test_name = _split_name(name, builder.info, TEST_NAMES)
    height, width = _size(builder.info.features[image_key], image_size)
    label = builder.info.features[label_key]
    count = sum(builder.info.splits[s].num_examples for s in (train_name, test_name))
    dataset_lib.check_size(name, count, height, width)
    return dataset_lib.Source(
        train=_decode(name, builder, train_name, height, width),
        test=_decode(name, builder, test_name, height, width),
        class_names=tuple(label.names if label.num_classes else ()),
        flip=builder.name not in NEVER_FLIPPED,
    )


def index(
    name: str, data_dir: str | None, image_size: int, bad_images: bad_images_lib.BadImages
) -> dataset_lib.Source:
    """Indexes a TFDS set, whose images stay encoded in its files.

    A test split without labels, as ImageNet's, is passed over.

    Args:
      name, data_dir: as in `read`.
      image_size: height and width that images will have.
      bad_images: what to do about those that turn out to be unreadable.

    Returns:
      All of `train` and of `test` (`validation` in sets without it) as `EncodedSplit`s,
      in the order of the files.

    Raises:
      ValueError, FileNotFoundError: as `read`; and for a set that was prepared in other
        files than TFRecords.
    """
    builder = builder_of(name, data_dir)
    image_key, label_key = _keys(name, builder.info)
    prepare(name, builder)
    check_format(name, builder.info)
    label = builder.info.features[label_key]
    classes = tuple(label.names if label.num_classes else ())

    def split(wanted):
        files = builder.info.splits[wanted].filepaths
        images, labels, _ = tfrecord.read([os.fspath(f) for f in files], image_key, label_key)
        return encoded.EncodedSplit(images, labels, classes, image_size, bad_images)

    train = split(_split_name(name, builder.info, ("train",)))
    test = split(_split_name(name, builder.info, TEST_NAMES))
    if len(test) and test.labels.max() < 0:
        test = split(_split_name(name, builder.info, TEST_NAMES[1:]))
    return dataset_lib.Source(train, test, classes, flip=builder.name not in NEVER_FLIPPED)


def check_format(name: str, info: Any) -> None:
    """Raises ValueError when the set was prepared in other files than TFRecords."""
    got = getattr(info.file_format, "value", info.file_format)
    if got != "tfrecord":
        raise ValueError(
            f"data set {name!r} is prepared as {got}, wanted tfrecord: prepare it again with TFDS's"
            " file_format='tfrecord'"
        )


def builder_of(name: str, data_dir: str | None) -> Any:
    """The set's builder; reads local files only.

    Raises:
      ValueError: for an unknown name.
    """
    try:
        return tensorflow_datasets.builder(name, data_dir=data_dir, try_gcs=False)
    except tensorflow_datasets.core.registered.DatasetNotFoundError as error:
        raise ValueError(_unknown(name)) from error
    except (ValueError, AssertionError) as error:
        raise ValueError(_unknown_config_or_version(name, error)) from error


def _unknown(name: str) -> str:
    base = re.split("[/:]", name)[0]
    known = tensorflow_datasets.list_builders(with_community_datasets=False)
    return (
        f"unknown data set {name!r}{_did_you_mean(base, [*known, 'digits'])}:"
        " wanted digits, folder:PATH or the name of a TFDS image classification"
        " set, or of one prepared in data_dir"
    )


def _unknown_config_or_version(name: str, error: Exception) -> str:
    base, _, config = re.sub(":.*", "", name).partition("/")
    # A set known from its files alone has no class to ask.
    if config and base in tensorflow_datasets.list_builders():
        configs = tensorflow_datasets.builder_cls(base).builder_configs
        if config not in configs:
            hint = _did_you_mean(config, configs)
            return f"data set {name!r}: {base} has no config {config!r}{hint}"
    # TFDS says which versions there are, after repeating its own arguments.
    reason = errors.one_line(error).split('}": ')[-1]
    return f"data set {name!r}: {reason}"


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, n=4)
    return f" (did you mean {', '.join(close)}?)" if close else ""


def _keys(name: str, info: Any) -> tuple[str, str]:
    """The names of the image and of the label among the set's features."""
    features, keys = tensorflow_datasets.features, info.supervised_keys
    got = f"supervised_keys {keys}"
    if isinstance(keys, tuple) and len(keys) == 2:
        found = [info.features[key] for key in keys if key in info.features]
        got = ", ".join(type(feature).__name__ for feature in found)
        if [*map(type, found)] == [features.Image, features.ClassLabel]:
            _check_image(name, found[0])
            return keys
    raise ValueError(
        f"data set {name!r} is not for image classification: got {got}, wanted"
        " supervised_keys of one Image and one ClassLabel"
    )


def _check_image(name: str, feature: Any) -> None:
    if feature.shape[-1] not in (1, 3) or feature.np_dtype != np.uint8:
        raise ValueError(
            f"data set {name!r}: got images of {feature.shape[-1]} channels in"
            f" {np.dtype(feature.np_dtype).name}, wanted 1 or 3 in uint8"
        )


def prepare(name: str, builder: Any) -> None:
    """Downloads and prepares the set unless that was done before.

    Looks for a network first: without one TFDS tries for minutes before it says
    so. A set whose archive is fetched by hand may need none.

    Raises:
      FileNotFoundError: when it is not prepared and cannot be.
    """
    if builder.is_prepared():
        return
    by_hand = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    folder = builder.data_dir_root
    if not by_hand and not network.is_reachable():
        raise FileNotFoundError(
            f"data set {name!r} is not prepared in '{folder}' and there is no"
            " network to download it: pass --data_dir with the folder that holds"
            f" {builder.name}/, or run once with a network"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # Whatever a download or parsing may raise.
        raise FileNotFoundError(
            f"data set {name!r} could not be prepared in '{folder}': {errors.one_line(error)}"
        ) from error


def _split_name(name: str, info: Any, wanted: Sequence[str]) -> str:
    """The first of the wanted splits that the set has."""
    for split in wanted:
        if split in info.splits:
            return split
    got = ", ".join(info.splits) or "none"
    raise ValueError(f"data set {name!r}: got splits {got}, wanted {' or '.join(wanted)}")


def _size(feature: Any, image_size: int) -> tuple[int, int]:
    """(height, width) that images will have."""
    height, width, _ = feature.shape
    if image_size or not height or not width:
        return (image_size or DEFAULT_SIZE,) * 2
    return height, width


def _stream(builder: Any, split: str, height: int, width: int) -> tf.data.Dataset:
    """Batches of images of one size and their labels, in the order of the files."""

    def example(image, label):
        if image.shape[:2] != (height, width):
            image = resize.square(image, height)
        if image.shape[-1] == 1:
            image = tf.image.grayscale_to_rgb(image)
        return image, label

    # Files one after another: interleaving would make the order depend on their number.
    read_config = tensorflow_datasets.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    examples = builder.as_dataset(split=split, as_supervised=True, read_config=read_config)
    examples = examples.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return examples.batch(256).prefetch(1)


def _decode(name: str, builder: Any, split: str, height: int, width: int) -> dataset_lib.ImageSplit:
    """Every example of a split, decoded into one array."""
    count = builder.info.splits[split].num_examples
    images = np.empty([count, height, width, 3], np.uint8)
    labels = np.empty([count], np.int64)
    batches = _stream(builder, split, height, width)
    start = 0
    try:
        for image, label in batches.as_numpy_iterator():
            images[start : start + len(label)] = image
            labels[start : start + len(label)] = label
            start += len(label)
    except tf.errors.OpError as error:
        raise ValueError(
            f"data set {name!r}: {split} in '{builder.data_path}' cannot be read"
            f" past example {start}: {errors.one_line(error)}"
        ) from error
    return dataset_lib.ImageSplit(images[:start], labels[:start])
