"""Sharded TFRecord files: `train-00000-of-01024`, `validation-00000-of-00128`, ..."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.data import errors, storage
from kdcl_tf.data.sources import record_index, source as source_lib

TEST_NAMES = ("test", "validation", "val")

# The names of the features: (image, label, name of the class).
FEATURES = (
    ("image/encoded", "image/class/label", "image/class/synset"),
    ("image", "label", ""),
)

_SHARD = re.compile(r"-(\d{5,})-of-(\d{5,})$")


def index(pattern: str) -> source_lib.Source:
    """Indexes TFRecord files of `tf.train.Example`s in one pass, whose result is cached.

    A file belongs to the split that a word of its name says: `train`; `test`,
    `validation` or `val`. Where names count their shards, all must be there.
    Examples have `image/encoded` and `image/class/label`, or `image` and `label`.

    Labels that begin at 1 leave 0 to a background that no image shows, as ImageNet's
    usually do, and are lowered by 1. So every class, from the lowest, must have an
    image to train on: otherwise the two cases could not be told apart. Classes are
    named by `image/class/synset` where there is one, and by their label.

    Args:
      pattern: a folder, or a pattern such as `/data/imagenet/*-of-*`.

    Returns:
      The images as `storage.TFRecords`, file after file.

    Raises:
      FileNotFoundError: when there are no files of a split, or a shard is missing.
      ValueError: for a damaged file, other features, or labels with gaps.
    """
    files = _files(pattern)
    train, test = _split(pattern, files, ("train",)), _split(pattern, files, TEST_NAMES)
    keys = _keys(train[0])
    (train_images, train_labels, names), (test_images, test_labels, _) = (
        read(each, *keys) for each in (train, test)
    )
    lowest, count = _classes(train_labels)
    classes = _class_names(train_labels, names, lowest, count)
    return source_lib.Source(
        source_lib.Labelled(train_images, train_labels - lowest),
        source_lib.Labelled(test_images, test_labels - lowest),
        classes,
        flip=True,
    )


def read(
    files: Sequence[str], image_key: str, label_key: str, name_key: str = ""
) -> tuple[storage.TFRecords, np.ndarray, np.ndarray]:
    """Where every image of some files lies, and its label, in one pass over them.

    The pass checks every checksum, and its result is cached.

    Args:
      files: paths.
      image_key, label_key, name_key: features; no `name_key` gives empty names.

    Returns:
      (images, labels `[N]` int64, names of their classes `[N]` bytes).

    Raises:
      ValueError: for a damaged file or a record without these features.
    """
    keys = (image_key, label_key, name_key)

    def facts(records):
        features = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64),
        }
        if name_key:
            features[name_key] = tf.io.FixedLenFeature([], tf.string, "")
        examples = tf.io.parse_example(records, features)
        names = examples.get(name_key, tf.zeros_like(records))
        return {"labels": examples[label_key], "names": names}

    images, found = record_index.locate(files, image_key, facts, keys)
    return images, found["labels"], found["names"]


def _files(pattern: str) -> list[str]:
    """The files of a folder, or those that match a pattern, without hidden ones, sorted."""
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        pattern = os.path.join(glob.escape(pattern), "*")
    files = sorted(file for file in glob.glob(pattern) if os.path.isfile(file))
    if not files:
        raise FileNotFoundError(
            f"tfrecord:{pattern}: expected a folder of TFRecord files, or a pattern such as"
            " '/data/imagenet/*-of-*'; got no files"
        )
    return files


def _split(pattern: str, files: Sequence[str], names: Sequence[str]) -> list[str]:
    """The files with one of these words in their names: the first word that any file has."""
    for name in names:
        word = re.compile(rf"(^|[^a-zA-Z]){name}([^a-zA-Z]|$)")
        found = [file for file in files if word.search(os.path.basename(file))]
        if found:
            _check_shards(found)
            return found
    raise FileNotFoundError(
        f"tfrecord:{pattern}: expected files with {' or '.join(names)} in their name; got {len(files)}"
        f" files such as '{os.path.basename(files[0])}'"
    )


def _check_shards(files: Sequence[str]) -> None:
    shards = [_SHARD.search(file) for file in files]
    if not all(shards):
        return
    there = {int(shard[1]) for shard in shards}
    total = max(int(shard[2]) for shard in shards)
    missing = sorted(set(range(total)) - there)
    if missing:
        raise FileNotFoundError(
            f"'{os.path.basename(files[0])}' ...: expected all {total} shards; got {len(there)}, and the"
            f" first that is missing is number {missing[0]}"
        )


def _keys(file: str) -> tuple[str, str, str]:
    """Which of `FEATURES` the first example of a file has."""
    try:
        for record in tf.data.TFRecordDataset(file).take(1):
            got = set(tf.train.Example.FromString(record.numpy()).features.feature)
            for keys in FEATURES:
                if {*keys[:2]} <= got:
                    return keys
            raise ValueError(f"features {', '.join(sorted(got)) or 'none'}")
    except Exception as error:  # Whatever protocol buffers say of other records.
        expected = " or ".join(" and ".join(keys[:2]) for keys in FEATURES)
        raise ValueError(
            f"'{file}' is no TFRecord file of labelled images: expected features {expected}; got"
            f" {errors.one_line(error)}"
        ) from error
    raise ValueError(f"'{file}' has no records")


def _classes(labels: np.ndarray) -> tuple[int, int]:
    """(lowest label, number of classes) of labels without gaps."""
    present = np.unique(labels)
    lowest, highest = int(present[0]), int(present[-1])
    missing = np.setdiff1d(np.arange(lowest, highest + 1), present)
    if lowest not in (0, 1) or len(missing):
        gap = f", none of {missing[0]}" if len(missing) else ""
        raise ValueError(
            "labels of the training images: expected every number from 0, or from 1 where 0 is a"
            f" background; got {len(present)} from {lowest} to {highest}{gap}"
        )
    return lowest, len(present)


def _class_names(labels, names, lowest, count):
    """A name for each class: that of its first image if it is its own, else the label."""
    _, firsts = np.unique(labels, return_index=True)
    found = [name.decode(errors="replace") for name in names[firsts]]
    if all(found) and len(set(found)) == count:
        return tuple(found)
    return tuple(str(label + lowest) for label in range(count))
