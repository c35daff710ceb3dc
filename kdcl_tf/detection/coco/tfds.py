"""`coco/2017` of TensorFlow Datasets, whose images stay encoded in its files."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data.records import record_index
from kdcl_tf.data.sources import tfds as tfds_lib
from kdcl_tf.detection.scenes import dataset as scenes_lib

# COCO's numbers of its 80 classes: 11 numbers were given to classes that no image shows.
_NOT_USED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORY_IDS = tuple(number for number in range(1, 91) if number not in _NOT_USED)

SPLITS = {"train": "train", "test": "validation"}

# What is read of an annotation: its feature, and its type in a record.
_FLAT = {
    "boxes": ("objects/bbox", tf.float32),
    "classes": ("objects/label", tf.int64),
    "crowds": ("objects/is_crowd", tf.int64),
    "areas": ("objects/area", tf.int64),
    "annotation_ids": ("objects/id", tf.int64),
}


def read(
    name: str, data_dir: str | None, masks: bool, needs_test: bool = True
) -> scenes_lib.SceneDataset:
    """Indexes the prepared set in one pass, which the cache keeps; prepares it if necessary.

    Its `train` is trained on and its `validation` tested on. TFDS keeps areas in whole
    square pixels, and boxes divided by the sides of the image. Boxes of which no area is
    inside the image are left out and counted, as those of a folder.

    Args:
      name: `coco/2017`, perhaps with `:VERSION`.
      data_dir: the folder that holds `coco/`; None is TFDS's default.
      masks: whether masks are read, which the set has not.
      needs_test: whether the validation images are read, too; otherwise there are no test scenes.

    Raises:
      ValueError: for masks; a set of other features, or prepared in other files than
        TFRecords; a damaged file.
      FileNotFoundError: not prepared, and it cannot be downloaded.
    """
    builder, class_names = _prepared(name, data_dir, masks, ", or pass detector=faster")
    train = _scenes(builder, "train", class_names)
    test = _scenes(builder, "test", class_names) if needs_test else train.none()
    return scenes_lib.SceneDataset(name, train, test)


def read_split(name: str, data_dir: str | None, split: str, masks: bool) -> scenes_lib.Scenes:
    """As `read`, of one split, "train" or "test"; TFDS prepares both."""
    builder, class_names = _prepared(name, data_dir, masks)
    return _scenes(builder, split, class_names)


def _prepared(name, data_dir, masks, or_else=""):
    if masks:
        raise ValueError(
            f"data set {name!r}: expected one with masks; got one with boxes alone: pass "
            f"dataset=coco:PATH with a folder of COCO's own files{or_else}"
        )
    builder = tfds_lib.builder_of(name, data_dir)
    tfds_lib.prepare(name, builder)
    tfds_lib.check_format(name, builder.info)
    return builder, _class_names(name, builder.info)


def _class_names(name, info):
    label = info.features["objects"]["label"]
    if label.num_classes != len(CATEGORY_IDS):
        raise ValueError(
            f"data set {name!r}: expected COCO's {len(CATEGORY_IDS)} classes; got {label.num_classes}"
        )
    return tuple(label.names)


def _scenes(builder, split, class_names):
    files = [os.fspath(path) for path in builder.info.splits[SPLITS[split]].filepaths]
    images, found = record_index.locate(files, "image", _facts, ("image", *_FLAT, "scenes 1"))
    sizes, counts = found["sizes"], found["objects"]
    owners = np.repeat(np.arange(len(images)), counts)
    return scenes_lib.arranged(
        images=images,
        ids=found["ids"],
        sizes=sizes,
        owners=owners,
        boxes=_pixels(found["boxes"].reshape([-1, 4]), sizes[owners]),
        classes=found["classes"],
        crowds=found["crowds"] != 0,
        areas=found["areas"],
        annotation_ids=found["annotation_ids"],
        segmentations=None,
        category_ids=CATEGORY_IDS,
        class_names=class_names,
    )


def _facts(records):
    """The annotations in a batch of records, and the sizes in the headers of their JPEGs."""
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "image/id": tf.io.FixedLenFeature([], tf.int64),
        **{feature: tf.io.RaggedFeature(kind) for feature, kind in _FLAT.values()},
    }
    examples = tf.io.parse_example(records, features)
    shapes = tf.map_fn(
        tf.io.extract_jpeg_shape,
        examples["image"],
        fn_output_signature=tf.TensorSpec([3], tf.int32),
    )
    flat = {name: examples[feature].values for name, (feature, _) in _FLAT.items()}
    objects = examples["objects/label"].row_lengths()
    return {"ids": examples["image/id"], "sizes": shapes[:, :2], "objects": objects, **flat}


def _pixels(boxes, sizes):
    """`[x1, y1, x2, y2]` of boxes `[A, 4]` in 0..1, (top, left, bottom, right)."""
    boxes = boxes.astype(np.float64) * np.tile(sizes, [1, 2])
    return boxes[:, [1, 0, 3, 2]]
