"""Data sets of TensorFlow Datasets, read from their prepared files."""

from __future__ import annotations

import difflib
import os
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets

from kdcl_tf import files
from kdcl_tf.data import errors
from kdcl_tf.data.sources import names, network, source as source_lib, tfrecord

TEST_NAMES = ("test", "validation")

# Mirrored writing is other writing, and so are traffic signs. TFDS does not say which sets,
# or which configs of a set, are of these, so they are listed.
NEVER_FLIPPED = frozenset(
    "binary_alpha_digits cmaterdb emnist kmnist mnist mnist_corrupted omniglot svhn_cropped"
    " visual_domain_decathlon/gtsrb visual_domain_decathlon/omniglot"
    " visual_domain_decathlon/svhn".split()
)

# A set's files are in NAME/CONFIG/VERSION.
_LEVELS_OF_A_SET = 3


def index(name: str, data_dir: str | None = None, needs_train: bool = True) -> source_lib.Source:
    """Indexes a TFDS set; downloads and prepares it when it must.

    A test split without labels, as ImageNet's, is passed over.

    Args:
      name: TFDS name, `name[/config][:version]`.
      data_dir: the folder that holds the set's folder, in which `~` is the user's home; None is
        TFDS's default.
      needs_train: whether there must be a split `train`. Otherwise a set without it, such as
        `cifar10_corrupted`, has no training images.

    Returns:
      All of `train` and of `test` (`validation` in sets without it) as `storage.TFRecords`,
      in the order of the files.

    Raises:
      ValueError: for an unknown name, a set that is not for image classification or has no
        such split, or one that was prepared as other files than TFRecords.
      FileNotFoundError: when it is not prepared and cannot be downloaded.
    """
    builder = builder_of(name, data_dir)
    keys = _keys(name, builder.info)
    # Before a download that would be for nothing, where TFDS knows the splits without it.
    if builder.info.splits:
        _check_splits(name, builder.info, needs_train)
    prepare(name, builder)
    check_format(name, builder.info)
    _check_splits(name, builder.info, needs_train)

    def split(split_name):
        files = [os.fspath(file) for file in builder.info.splits[split_name].filepaths]
        images, labels, _ = tfrecord.read(files, *keys)
        return source_lib.Labelled(images, labels)

    test = split(_split_name(name, builder.info, TEST_NAMES))
    if len(test) and test.labels.max() < 0:
        test = split(_split_name(name, builder.info, TEST_NAMES[1:]))
    train = split("train") if "train" in builder.info.splits else test.take(slice(0))
    label = builder.info.features[keys[1]]
    return source_lib.Source(
        train,
        test,
        tuple(label.names if label.num_classes else ()),
        flip=flips(builder),
        size=_size(builder.info.features[keys[0]]),
    )


def flips(builder: Any) -> bool:
    """Whether a mirrored image of a set still shows its class."""
    config = builder.builder_config
    names_of_it = {builder.name, f"{builder.name}/{config.name}" if config else ""}
    return not names_of_it & NEVER_FLIPPED


def check_format(name: str, info: Any) -> None:
    """Raises ValueError unless the set was prepared as TFRecord files."""
    got = getattr(info.file_format, "value", info.file_format)
    if got != "tfrecord":
        raise ValueError(
            f"data set {name!r}: expected one prepared as tfrecord; got {got}: prepare it again"
            " with TFDS's file_format='tfrecord'"
        )


def builder_of(name: str, data_dir: str | None) -> Any:
    """The set's builder; reads local files only.

    Raises:
      ValueError: for an unknown name.
    """
    # Shells leave the `~` of `--data_dir=~/DIR` as it is, and TFDS makes a folder of that name.
    data_dir = data_dir and os.path.expanduser(data_dir)
    try:
        return tensorflow_datasets.builder(name, data_dir=data_dir, try_gcs=False)
    except tensorflow_datasets.core.registered.DatasetNotFoundError as error:
        raise ValueError(_unknown(name)) from error
    except (ValueError, AssertionError) as error:
        raise ValueError(_unknown_config_or_version(name, error)) from error


def _unknown(name: str) -> str:
    base = re.split("[/:]", name)[0]
    known = tensorflow_datasets.list_builders(with_community_datasets=False)
    hint = names.path_hint(name)
    meant = "" if hint else _did_you_mean(base, [*known, "digits"])
    return (
        f"unknown data set {name!r}{meant}:"
        " expected digits, folder:PATH, tfrecord:PATH or the name of a TFDS image classification"
        f" set, or of one prepared in data_dir; got {name!r}{hint}"
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
        f"data set {name!r} is not for image classification: expected supervised_keys of one"
        f" Image and one ClassLabel; got {got}"
    )


def _check_image(name: str, feature: Any) -> None:
    if feature.shape[-1] not in (1, 3) or feature.np_dtype != np.uint8:
        raise ValueError(
            f"data set {name!r}: expected images of 1 or 3 channels in uint8; got"
            f" {feature.shape[-1]} in {np.dtype(feature.np_dtype).name}"
        )


def prepare(name: str, builder: Any) -> None:
    """Downloads and prepares the set unless that was done before.

    Looks for a network first: without one TFDS tries for minutes before it says
    so. A set whose archive is fetched by hand may need none. A set that is prepared a folder
    above or below is not downloaded a second time.

    Raises:
      FileNotFoundError: when it is not prepared and cannot be, or is prepared elsewhere.
    """
    if builder.is_prepared():
        return
    _check_not_elsewhere(name, builder)
    by_hand = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    folder = builder.data_dir_root
    if not by_hand and not network.is_reachable():
        raise FileNotFoundError(
            f"data set {name!r} is not prepared in '{folder}' and there is no"
            " network to download it: pass data_dir=DIR, the folder that holds"
            f" {builder.name}/, or run once with a network"
        )
    try:
        # It deletes what it has begun when an exception ends it.
        with files.unwinding():
            builder.download_and_prepare()
    except Exception as error:  # Whatever a download or parsing may raise.
        raise FileNotFoundError(
            f"data set {name!r} could not be prepared in '{folder}': {errors.one_line(error)}"
        ) from error


def _check_not_elsewhere(name, builder):
    """Refuses a folder that is only close to the one in which the set is prepared.

    People pass the folder that holds TFDS's folder, or the set's own.
    """
    root = pathlib.Path(builder.data_dir_root).absolute()
    prepared = pathlib.Path(builder.data_path).absolute().relative_to(root)
    below = sorted(each for each in root.iterdir() if each.is_dir()) if root.is_dir() else []
    for close in (*below, *root.resolve().parents[:_LEVELS_OF_A_SET]):
        # False, and no error, for a folder of another user's.
        if os.path.isfile(close / prepared / "dataset_info.json"):
            raise FileNotFoundError(
                f"data set {name!r} is not prepared in '{builder.data_dir_root}', but in "
                f"'{close}': pass data_dir={close}"
            )


def _check_splits(name: str, info: Any, needs_train: bool) -> None:
    """Raises ValueError unless the set has the splits that are needed."""
    for wanted in (("train",), TEST_NAMES) if needs_train else (TEST_NAMES,):
        _split_name(name, info, wanted)


def _split_name(name: str, info: Any, names: Sequence[str]) -> str:
    """The first of these splits that the set has."""
    for split in names:
        if split in info.splits:
            return split
    got = ", ".join(info.splits) or "none"
    raise ValueError(f"data set {name!r}: expected a split {' or '.join(names)}; got {got}")


def _size(feature: Any) -> tuple[int, int] | None:
    """(height, width) of every image, None where they differ."""
    height, width, _ = feature.shape
    return (height, width) if height and width else None
