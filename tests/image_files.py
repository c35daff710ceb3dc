"""Encoded images and data sets of them, for tests that read real files."""

import io
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf.data import bad_images, dataset as dataset_lib, encoded, normalization, storage


def photo(seed=0, height=40, width=50):
    """`[height, width, 3]` uint8: smooth colours, as a photograph has them, and some noise."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, [5, 5, 3]).astype(np.uint8))
    smooth = np.asarray(rough.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)


def encode(pixels, kind="JPEG", mode=None, **options):
    """The bytes of a file of a kind that Pillow writes; `mode` such as CMYK, L or P."""
    image, content = Image.fromarray(pixels), io.BytesIO()
    (image.convert(mode) if mode else image).save(content, kind, **options)
    return content.getvalue()


def write(folder, contents):
    """Writes `{path: bytes}` into a folder."""
    for path, content in contents.items():
        file = pathlib.Path(folder, path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def split(folder, contents, size=16, skip=False):
    """An `EncodedSplit` of files written into a folder; the label of an image is its index."""
    write(folder, contents)
    files = storage.Files(str(folder), np.array([os.fsencode(path) for path in contents]))
    labels = np.arange(len(contents))
    names = tuple(f"class {label}" for label in labels)
    bad = bad_images.BadImages(skip)
    return encoded.EncodedSplit(files, labels, names, (size, size), bad, encoded.CENTRAL)


def dataset(train, flip=True):
    """A data set of windows whose test images are those it trains on."""
    return dataset_lib.ImageDataset(
        name="photos",
        train=train,
        held_out=train.take([]),
        test=train,
        class_names=train.class_names,
        normalization=normalization.IMAGENET,
        distortion="resized_crop",
        bad_images=train.bad_images,
        flip=flip,
    )


def example(content, label, image_key="image/encoded", label_key="image/class/label", **others):
    """A serialised `tf.train.Example`; further features are bytes, `a__b` named `a/b`."""
    texts = {image_key: content, **{key.replace("__", "/"): v for key, v in others.items()}}
    feature = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
        for key, text in texts.items()
    }
    feature[label_key] = tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write_records(path, records):
    """Writes a TFRecord file."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def record(content):
    """The bytes of a TFRecord file of one record."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "file")
        write_records(path, [content])
        return path.read_bytes()


def use_own_cache(test):
    """Keeps what a test indexes out of the user's cache."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    environment = mock.patch.dict(os.environ, KDCL_CACHE_DIR=folder.name)
    environment.start()
    test.addCleanup(environment.stop)


def imagenet_samples():
    """Paths of real ImageNet photographs, one a class; skips the test where there are none."""
    folder = pathlib.Path(os.environ.get("KDCL_DATA_DIR", ""), "imagenet_samples")
    files = sorted(folder.glob("*/*.JPEG"))
    if not files:
        raise unittest.SkipTest(f"no ImageNet photographs in '{folder}': set KDCL_DATA_DIR")
    return files
