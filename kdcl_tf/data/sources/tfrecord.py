"""TFRecord files of labelled images: `train-00000-of-01024`, `validation-00000-of-00128`, ..."""

from __future__ import annotations

import collections
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.data import errors, storage
from kdcl_tf.data.records import record_index, shard_names, shards
from kdcl_tf.data.sources import features, source as source_lib
from kdcl_tf.files.escaping import escaped


def index(
    pattern: str, image_key: str | None = None, label_key: str | None = None
) -> source_lib.Source:
    """Indexes TFRecord files of `tf.train.Example`s in one pass, whose result is cached.

    A file belongs to the split that the last such word of its name says: `train`; `test`,
    `validation` or `val`, see `shards.of_split`. Where names count their shards, all must be
    there. Files that hold no TFRecords are passed over. Examples have the features of
    `features.KNOWN`, unless others are named.

    Labels that begin at 1 leave 0 to a background that no image shows, as ImageNet's
    usually do, and are lowered by 1. So every class, from the lowest, must have an
    image to train on: otherwise the two cases could not be told apart. Classes are
    named by `image/class/synset` where there is one, and by their label.

    Args:
      pattern: a folder, or a pattern such as `/data/imagenet/*-of-*`.
      image_key, label_key: names of the features that are the encoded image and its label.

    Returns:
      The images as `storage.TFRecords`, file after file.

    Raises:
      FileNotFoundError: when there are no files of a split, or a shard is missing.
      ValueError: for a damaged or compressed file, several shardings of one split, a
        file of two splits, other features, or labels with gaps.
    """
    found = shards.find(pattern)
    train = shards.of_split(pattern, found, shard_names.TRAIN_NAMES)
    test = shards.of_split(pattern, found, shard_names.TEST_NAMES)
    shards.check_apart(train, test)
    keys = features.keys_of(*_first_record(train), image_key, label_key)
    (train_images, train_labels, names), (test_images, test_labels, _) = (
        read(each, *keys) for each in (train, test)
    )
    lowest, count = _classes(train_labels)
    _check_labels(test_images, test_labels, lowest, count)
    classes = _class_names(train_labels, names, lowest, count)
    return source_lib.Source(
        source_lib.Labelled(train_images, train_labels - lowest),
        source_lib.Labelled(test_images, test_labels - lowest),
        classes,
        flip=True,
        passed_over=_passed_over(found, train, test),
    )


def _check_labels(images, labels, lowest, count):
    """Refuses a test label that no training image has, as it is in its file."""
    wrong = np.flatnonzero((labels < lowest) | (labels >= lowest + count))
    if wrong.size:
        label, where = labels[wrong[0]], images.name(int(wrong[0]))
        background = bool(lowest == 1 and label == 0)
        why = ": no training image has 0, which is taken for a background" * background
        raise ValueError(
            f"labels out of range: expected {lowest}..{lowest + count - 1}, as training images have; "
            f"got {label} at test image {where}{why}"
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
    keys = features.Keys(image_key, label_key, name_key)

    def facts(records):
        expected = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64),
        }
        if name_key:
            expected[name_key] = tf.io.FixedLenFeature([], tf.string, "")
        examples = tf.io.parse_example(records, expected)
        names = examples.get(name_key, tf.zeros_like(records))
        return {"labels": examples[label_key], "names": names}

    def check(file, number, record):
        features.check(file, number, record, keys)

    images, found = record_index.locate(files, image_key, facts, keys, check)
    return images, found["labels"], found["names"]


def _first_record(files: Sequence[str]) -> tuple[str, bytes]:
    """(path of a file, its first record) of the first file that has any.

    Raises:
      ValueError: when none has, or it is damaged.
    """
    for file in files:
        try:
            next(record_index.lengths_of(file), 0)
            for record in tf.data.TFRecordDataset(os.fsencode(file)).take(1):
                return file, record.numpy()
        except tf.errors.OpError as error:
            raise record_index.damaged(file, 0, errors.one_line(error)) from error
    raise ValueError(f"'{escaped(files[0])}' ...: expected TFRecord files with records; got none")


def _passed_over(found: shards.Found, *splits: Sequence[str]) -> collections.Counter:
    """What is no file of these splits, by the reason."""
    rest = len(found.kinds) - sum(map(len, splits))
    return found.passed_over + collections.Counter({"of no split that is read": rest})


def _classes(labels: np.ndarray) -> tuple[int, int]:
    """(lowest label, number of classes) of labels without gaps."""
    present = np.unique(labels)
    lowest, highest = int(present[0]), int(present[-1])
    # Labels may be any numbers, and far apart: nothing is made of the length of what is between.
    before_gaps = present[:-1][np.diff(present) != 1]
    if lowest not in (0, 1) or len(before_gaps):
        gap = f", none of {int(before_gaps[0]) + 1}" if len(before_gaps) else ""
        raise ValueError(
            "labels of the training images: expected every number from 0, or from 1 where 0 is a"
            f" background; got {len(present)} from {lowest} to {highest}{gap}"
        )
    return lowest, len(present)


def _class_names(labels, names, lowest, count):
    """A name for each class: that of most of its images if it is its own, else the label."""
    known, numbers = np.unique(names, return_inverse=True)
    pairs, counts = np.unique(labels * len(known) + numbers, return_counts=True)
    # Of equally many the first by name.
    order = np.lexsort((pairs, -counts, pairs // len(known)))
    _, firsts = np.unique(pairs[order] // len(known), return_index=True)
    found = [os.fsdecode(bytes(known[pair % len(known)])) for pair in pairs[order][firsts]]
    if all(found) and len(set(found)) == count:
        return tuple(found)
    return tuple(str(label + lowest) for label in range(count))
