"""A few pixels with a few boxes, and a backbone of a few weights, for quick tests."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.detection.model.detector import Targets
from kdcl_tf.students.normalization import FusedBatchNormalization

CLASSES = 3
_HEIGHT, _WIDTH = 64, 96


def targets(boxes, classes, crowds=None):
    """`Targets` of `[B, G, 4]` and `[B, G]` lists, each image with a key of its own."""
    classes = tf.constant(classes, tf.int32)
    keys = tf.stack([tf.range(len(boxes), dtype=tf.int64)] * 2, axis=1)
    crowds = tf.zeros_like(classes, tf.bool) if crowds is None else tf.constant(crowds)
    return Targets(tf.constant(boxes, tf.float32), classes, crowds, keys)


def backbone(synchronized=False, regularizer=None):
    """A model of images of any size, with levels at strides 4 and 8."""
    images = x = keras.Input([None, None, 3], name="images")
    outputs = {}
    for stride, filters in ((2, 4), (4, 6), (8, 8)):
        x = keras.layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_regularizer=regularizer,
            name=f"conv{stride}",
        )(x)
        x = FusedBatchNormalization(momentum=0.9, synchronized=synchronized)(x)
        outputs[str(stride)] = x = keras.layers.ReLU(name=f"relu{stride}")(x)
    del outputs["2"]
    return keras.Model(images, outputs, name="small_backbone")


def batch(images=2, seed=0):
    """A batch as `SceneViews` gives it.

    Of every three images, the first has two objects and a crowd, the second one object and
    an outline of 8 pixels that is padding, the third none.
    """
    rng = np.random.default_rng(seed)
    boxes, classes = np.zeros([3, 3, 4]), np.full([3, 3], -1)
    boxes[0] = [[4, 8, 40, 44], [50, 10, 90, 60], [0, 48, 48, 64]]
    boxes[1, 0] = [16, 4, 60, 40]
    classes[0], classes[1, 0] = [0, 2, 1], 1
    crowds = np.zeros([3, 3], bool)
    crowds[0, 2] = True
    turns = np.arange(images) % 3
    sizes = np.array([[_HEIGHT, _WIDTH], [_HEIGHT - 8, _WIDTH - 8], [_HEIGHT, _WIDTH]])
    return {
        "images": tf.constant(_painted(rng, boxes, classes)[turns], tf.float32),
        "sizes": tf.constant(sizes[turns], tf.int32),
        "boxes": tf.constant(boxes[turns], tf.float32),
        "classes": tf.constant(classes[turns], tf.int32),
        "crowds": tf.constant(crowds[turns]),
        "masks": tf.constant(_discs(8)[turns]),
        "keys": tf.stack([tf.range(images, dtype=tf.int64)] * 2, axis=1),
    }


def one(batch, image):
    """The batch of one of its images."""
    return {name: each[image : image + 1] for name, each in batch.items()}


def halved(batch):
    """The same scenes in a quarter of the pixels."""
    return {
        **batch,
        "images": batch["images"][:, ::2, ::2],
        "sizes": batch["sizes"] // 2,
        "boxes": batch["boxes"] / 2.0,
    }


def _painted(rng, boxes, classes):
    """Noise, in which the channel of its class shows each object."""
    images = 0.2 * rng.normal(size=[3, _HEIGHT, _WIDTH, 3])
    for image, number in zip(*np.nonzero(classes >= 0)):
        x1, y1, x2, y2 = boxes[image, number].astype(int)
        images[image, y1:y2, x1:x2, classes[image, number]] += 2.0
    images[1, _HEIGHT - 8 :] = images[1, :, _WIDTH - 8 :] = 0.0
    return images


def _discs(resolution):
    y, x = (np.mgrid[:resolution, :resolution] + 0.5) / resolution - 0.5
    disc = np.uint8(x**2 + y**2 < 0.25)
    return np.broadcast_to(disc, [3, 3, resolution, resolution]).copy()
