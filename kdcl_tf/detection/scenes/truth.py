"""The annotations of one scene at a time, as the tensors that a detector is trained on."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from kdcl_tf.data import stream
from kdcl_tf.detection.scenes import dataset as scenes_lib, masks as masks_lib


class SceneTruth:
    """Boxes, classes and masks of scenes, scaled as their images are.

    Attributes:
      scenes: `Scenes`.
      masks: whether the annotations have masks.
    """

    def __init__(self, scenes: scenes_lib.Scenes, masks: bool):
        self.scenes = scenes
        self.masks = masks

    def padded(
        self, index: tf.Tensor, size: tf.Tensor, mirror: tf.Tensor, count: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The annotations of an image, and padding up to `count`.

        Args:
          index: scalar int64.
          size: `[2]` int32, (height, width) that the image is scaled to.
          mirror: scalar bool, whether left and right are exchanged.
          count: scalar int64, G, at least the number of annotations.

        Returns:
          boxes `[G, 4]` float32 in scaled pixels, classes `[G]` int32, -1 in the
          padding, crowds `[G]` bool; with `masks`, masks `[G, 112, 112]` uint8.
        """
        start, end = self._offsets[index], self._offsets[index + 1]
        boxes = scaled(self._boxes[start:end], self._sizes[index], size)
        boxes = tf.cond(mirror, lambda: mirrored(boxes, size[1]), lambda: boxes)
        more = [[0, tf.cast(count - (end - start), tf.int32)]]
        found = {
            "boxes": tf.pad(boxes, [*more, [0, 0]]),
            "classes": tf.pad(self._classes[start:end], more, constant_values=-1),
            "crowds": tf.pad(self._crowds[start:end], more),
        }
        if self.masks:
            masks = tf.numpy_function(self._drawn, [index], tf.uint8)
            masks = tf.ensure_shape(masks, [None, masks_lib.SIZE, masks_lib.SIZE])
            masks = tf.cond(mirror, lambda: tf.reverse(masks, [2]), lambda: masks)
            found["masks"] = tf.pad(masks, [*more, [0, 0], [0, 0]])
        return found

    @functools.cached_property
    def _offsets(self):
        return stream.on_host(self.scenes.offsets)

    @functools.cached_property
    def _sizes(self):
        return stream.on_host(self.scenes.sizes)

    @functools.cached_property
    def _boxes(self):
        return stream.on_host(self.scenes.boxes)

    @functools.cached_property
    def _classes(self):
        return stream.on_host(self.scenes.classes)

    @functools.cached_property
    def _crowds(self):
        return stream.on_host(self.scenes.crowds)

    def _drawn(self, index):
        """`[n, 112, 112]` uint8: masks of the objects of an image; of a crowd all 0."""
        scenes, where = self.scenes, self.scenes.annotations(index)
        height, width = (int(side) for side in scenes.sizes[index])
        masks = np.zeros([where.stop - where.start, masks_lib.SIZE, masks_lib.SIZE], np.uint8)
        for mask, number in zip(masks, range(where.start, where.stop)):
            if not scenes.crowds[number]:
                segmentation, box = scenes.segmentations[number], scenes.boxes[number]
                mask[:] = masks_lib.within_box(segmentation, box, height, width)
        return masks


def scaled(boxes: tf.Tensor, original_size: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Boxes `[n, 4]` of an image of one size, (height, width), in one of another."""
    scale = tf.cast(size, tf.float32) / tf.cast(original_size, tf.float32)
    return boxes * tf.gather(scale, [1, 0, 1, 0])


def mirrored(boxes: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Boxes `[n, 4]` after left and right of an image of `width` pixels are exchanged."""
    x1, y1, x2, y2 = tf.unstack(boxes, axis=1)
    width = tf.cast(width, tf.float32)
    return tf.stack([width - x2, y1, width - x1, y2], axis=1)
