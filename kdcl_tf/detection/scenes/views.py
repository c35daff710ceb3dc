"""Batches of scenes to train on and to evaluate on: scaled, mirrored, padded."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from kdcl_tf.data import normalization as normalization_lib, order as order_lib, stream
from kdcl_tf.detection.scenes import (
    dataset as scenes_lib,
    pixels as scene_pixels,
    truth as scene_truth,
)

# Folded into an image's key, so that its random choices are independent.
_MIRROR, _SAMPLING = 0, 1


class SceneViews(order_lib.Epochs):
    """Streams epochs of a `SceneDataset` as batches of B images and G boxes an image.

    An image is scaled so that its shorter side is `short_side`, or its longer one
    `long_side` where it would be longer otherwise; normalised; mirrored with p = 1/2; and
    padded with zeros at the right and at the bottom to what is the smallest multiple
    of `multiple` for all images of the batch: of the whole batch, also where replicas
    share it out. A batch is a dict:

    | key | shape and kind | |
    |---|---|---|
    | `images` | `[B, H, W, 3]` float32 | |
    | `sizes` | `[B, 2]` int32 | scaled height and width, without padding |
    | `original_sizes` | `[B, 2]` int32 | height and width of the file's pixels |
    | `ids` | `[B]` int64 | COCO's numbers of the images |
    | `boxes` | `[B, G, 4]` float32 | `[x1, y1, x2, y2]` in scaled pixels; padding is 0 |
    | `classes` | `[B, G]` int32 | 0..C-1; padding is -1 |
    | `crowds` | `[B, G]` bool | padding is False |
    | `masks` | `[B, G, 112, 112]` uint8 | with `masks`; see `masks.within_box`; of crowds 0 |
    | `keys` | `[B, 2]` int64 | of the random choices that are made later for the image |

    G is the most that an image of the batch has, 1 at least. B, H, W and G are None in
    the element spec. An image that cannot be decoded, or has another size than
    annotated, ends the stream: see `ScenePixels.decoded`.
    """

    def __init__(
        self,
        dataset: scenes_lib.SceneDataset,
        seed: int,
        short_side: int = 800,
        long_side: int = 1333,
        flip: bool = True,
        masks: bool = False,
        normalization: normalization_lib.Normalization = normalization_lib.IMAGENET,
        multiple: int = 32,
    ):
        """Describes the batches.

        Args:
          dataset: its `train` scenes are those of epochs.
          seed: 0 or more.
          short_side, long_side: pixels; 800 and 1333 are the paper's.
          flip: whether images are mirrored at all.
          masks: whether a batch has masks, which the scenes must have.
          normalization: of the images.
          multiple: the sides of a batch are multiples of it.

        Raises:
          ValueError: for sides that are not in rising order, scenes without masks.
        """
        super().__init__(dataset, seed)
        if not 1 <= short_side <= long_side:
            raise ValueError(
                "short_side and long_side: expected 1 or more pixels and the first not above the "
                f"second; got {short_side} and {long_side}"
            )
        if multiple < 1:
            raise ValueError(f"multiple: expected 1 or more pixels; got {multiple}")
        if masks and dataset.train.segmentations is None:
            raise ValueError(
                f"masks: expected a data set that was loaded with masks; got {dataset.name!r} without"
            )
        self._sides = short_side, long_side
        self._flip, self._masks, self._multiple = flip, masks, multiple
        self._normalization = normalization

    def evaluation(
        self,
        scenes: scenes_lib.Scenes,
        batch_size: int,
        share: stream.Share = stream.Share(),
    ) -> tf.data.Dataset:
        """Every scene once, in order, without annotations and never mirrored.

        Args:
          scenes: such as `dataset.test`.
          batch_size: images a batch, over all replicas; the last may be smaller.
          share: which part of every batch this process reads; by default all of it.

        Returns:
          `tf.data.Dataset` of the dict of the class without boxes, classes, crowds,
          masks and keys.

        Raises:
          ValueError: when `batch_size` is not positive or leaves a replica without an
            image.
        """
        pixels = scene_pixels.ScenePixels(scenes)

        def example(row):
            index, canvas = row[0], row[1:3]
            return self._seen(pixels, index, canvas, tf.constant(False))

        return self._stream(scenes, np.arange(len(scenes)), batch_size, example, share)

    def _batches(self, order, batch_size, epoch, share):
        key = self._key(epoch)

        def example(row):
            return self._example(row, key)

        return self._stream(self.dataset.train, order, batch_size, example, share)

    def _stream(self, scenes, order, batch_size, example, share):
        rows = self._rows(scenes, order, max(batch_size, 1))
        return stream.decoded(rows, batch_size, example, lambda batch: batch, share)

    def _rows(self, scenes, order, batch_size):
        """`[n, 4]`: image, and height, width and number of boxes of its whole batch."""
        starts = np.arange(0, len(order), batch_size)
        sides = scaled_sizes(scenes.sizes, *self._sides)[order]
        facts = np.concatenate([sides, np.maximum(scenes.counts, 1)[order, None]], axis=1)
        most = np.maximum.reduceat(facts, starts) if len(order) else facts
        most[:, :2] = -(-most[:, :2] // self._multiple) * self._multiple
        return np.concatenate([order[:, None], most[np.arange(len(order)) // batch_size]], axis=1)

    @functools.cached_property
    def _example(self):
        """A graph that every epoch uses, since tracing it takes longer than some epochs."""
        scenes = self.dataset.train
        pixels = scene_pixels.ScenePixels(scenes)
        truth = scene_truth.SceneTruth(scenes, self._masks)

        def example(row, key):
            index, canvas, count = row[0], row[1:3], row[3]
            key = order_lib.fold_in(key, index)
            mirror = self._mirror(key)
            seen = self._seen(pixels, index, canvas, mirror)
            return {
                **seen,
                **truth.padded(index, seen["sizes"], mirror, count),
                "keys": order_lib.fold_in(key, _SAMPLING),
            }

        inputs = [tf.TensorSpec([4], tf.int64), tf.TensorSpec([2], tf.int64)]
        return tf.function(example, input_signature=inputs, autograph=False)

    def _mirror(self, key):
        draw = tf.random.stateless_uniform([], order_lib.fold_in(key, _MIRROR), alg="philox")
        return (draw < 0.5) & self._flip

    def _seen(
        self,
        pixels: scene_pixels.ScenePixels,
        index: tf.Tensor,
        canvas: tf.Tensor,
        mirror: tf.Tensor,
    ) -> Mapping[str, tf.Tensor]:
        """The part of an example that does not need annotations."""
        scenes = pixels.scenes
        original = stream.on_host(scenes.sizes)[index]
        size = stream.on_host(scaled_sizes(scenes.sizes, *self._sides))[index]
        image = _resized(pixels.decoded(index), size)
        image = tf.cond(mirror, lambda: tf.reverse(image, [1]), lambda: image)
        image = self._normalization.apply(image)
        after = tf.cast(canvas, tf.int32) - size
        image = tf.pad(image, [[0, after[0]], [0, after[1]], [0, 0]])
        return {
            "images": tf.ensure_shape(image, [None, None, 3]),
            "sizes": size,
            "original_sizes": original,
            "ids": stream.on_host(scenes.ids)[index],
        }


def scaled_sizes(sizes: np.ndarray, short_side: int, long_side: int) -> np.ndarray:
    """Heights and widths `[N, 2]` int32 of images that are scaled into two sides.

    The aspect ratio is kept, to the nearest pixel.

    Args:
      sizes: `[N, 2]`, pixels.
      short_side: of the shorter side, unless the longer would exceed `long_side`.
      long_side: the most pixels of the longer side.
    """
    scale = np.minimum(short_side / sizes.min(axis=1), long_side / sizes.max(axis=1))
    return np.maximum(np.floor(sizes * scale[:, None] + 0.5), 1).astype(np.int32)


def _resized(pixels: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """float32 in 0..255, bilinear; antialiased where it shrinks, as only that skips pixels."""
    shrinks = tf.reduce_any(size < tf.shape(pixels)[:2])
    return tf.cond(
        shrinks,
        lambda: tf.image.resize(pixels, size, antialias=True),
        lambda: tf.image.resize(pixels, size),
    )
