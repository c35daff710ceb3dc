"""The pixels of one scene at a time, or the error that names it."""

from __future__ import annotations

import functools

import tensorflow as tf

from kdcl_tf.data import bad_images, decoding, errors, stream
from kdcl_tf.detection.scenes import dataset as scenes_lib


class ScenePixels:
    """Decodes images in a graph, and checks that they have the size that is annotated.

    Boxes of an image of another size would be at wrong places, so none is passed over.

    Attributes:
      scenes: `Scenes`.
    """

    def __init__(self, scenes: scenes_lib.Scenes):
        self.scenes = scenes

    def decoded(self, index: tf.Tensor) -> tf.Tensor:
        """`[H, W, 3]` uint8: the image at a scalar int64 index.

        Raises:
          BadImageError: in one line with the image's name and id, when it cannot be
            decoded or has another size; inside an error of the stream that runs this,
            where `bad_images.told_in_one_line` finds it.
        """
        # The one way in which a graph can go on after an operation has failed.
        one = tf.data.Dataset.from_tensors(index)
        good = one.map(lambda each: (self._checked(each), True)).ignore_errors()
        bad = one.map(lambda _: (tf.zeros([0, 0, 3], tf.uint8), False))
        pixels, is_good = good.concatenate(bad).take(1).get_single_element()

        def refused():
            told = tf.numpy_function(self._refuse, [index], tf.bool)
            with tf.control_dependencies([told]):
                return tf.identity(pixels)

        return tf.cond(is_good, lambda: pixels, refused)

    def check(self) -> None:
        """Decodes every image once: what would end a run does so before it trains.

        Raises:
          BadImageError: at the first that is bad, as `decoded`.
        """
        indices = tf.data.Dataset.range(len(self.scenes))
        sides = indices.map(
            lambda index: tf.shape(self.decoded(index)), num_parallel_calls=tf.data.AUTOTUNE
        )
        for _ in sides:
            pass

    @functools.cached_property
    def _sizes(self):
        return stream.on_host(self.scenes.sizes)

    def _checked(self, index):
        pixels = decoding.rgb(self.scenes.images.content(index))
        same = tf.debugging.assert_equal(tf.shape(pixels)[:2], self._sizes[index])
        with tf.control_dependencies([same]):
            return tf.identity(pixels)

    def _refuse(self, index):
        name, number = self.scenes.images.name(index), self.scenes.ids[index]
        raise bad_images.BadImageError(f"image '{name}' of id {number} {self._fault(index)}")

    def _fault(self, index):
        """What follows the image's name in the error."""
        try:
            content = self.scenes.images.read(index)
        except (OSError, tf.errors.OpError) as error:
            return f"cannot be read: {errors.one_line(error)}"
        reason = decoding.fault(content)
        if reason:
            return f"cannot be decoded: {reason}"
        with tf.device("CPU:0"):
            height, width = decoding.rgb(tf.constant(content)).shape[:2]
        wanted = " x ".join(map(str, self.scenes.sizes[index]))
        return (
            f"has another size than annotated: got {height} x {width} pixels (height x width),"
            f" wanted {wanted}; mend the image or its annotations"
        )
