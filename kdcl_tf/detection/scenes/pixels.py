"""Decodes the image of one scene at a time; the error of a bad one names it."""

from __future__ import annotations

import functools

import tensorflow as tf

from kdcl_tf.data import bad_images, decoding, errors, measuring, stream
from kdcl_tf.detection.scenes import dataset as scenes_lib


class ScenePixels:
    """Decodes images in a graph, and checks that they have the annotated size.

    The boxes of an image of another size would be misplaced, so it is always an error.
    A photograph with an EXIF orientation is turned upright, unless the annotated size is that
    of the stored image: then boxes and masks are of that, and it is left as it is. Where the
    two sizes are the same, it is turned, since tools to annotate show photographs upright.

    Attributes:
      scenes: `Scenes`.
    """

    def __init__(self, scenes: scenes_lib.Scenes):
        self.scenes = scenes

    def decoded(self, index: tf.Tensor) -> tf.Tensor:
        """`[H, W, 3]` uint8: the image at a scalar int64 index.

        Raises:
          BadImageError: in one line with the image's name and id, when it cannot be
            decoded or has another size. It arrives inside an error of the stream that runs
            this, from which `bad_images.told_in_one_line` recovers it.
        """
        # `ignore_errors` is the only way for a graph to continue after a failed operation.
        one = tf.data.Dataset.from_tensors(index)
        good = one.map(lambda each: (self._checked(each), True)).ignore_errors()
        bad = one.map(lambda _: (tf.zeros([0, 0, 3], tf.uint8), False))
        pixels, is_good = good.concatenate(bad).take(1).get_single_element()

        def refused():
            told = tf.numpy_function(self._refuse, [index], tf.bool)
            with tf.control_dependencies([told]):
                return tf.identity(pixels)

        return tf.cond(is_good, lambda: pixels, refused)

    def check(self, kind: str) -> None:
        """Decodes every image once, so that a bad one is found before a run trains.

        Args:
          kind: of the images, such as "test", for a person.

        Raises:
          BadImageError: at the first bad image, as `decoded`.
        """
        indices = tf.data.Dataset.range(len(self.scenes))
        sides = indices.map(
            lambda index: tf.shape(self.decoded(index)), num_parallel_calls=tf.data.AUTOTUNE
        )
        lines = measuring.PassLines(measuring.checking(kind), len(self.scenes))
        for _ in sides:
            lines.add(1)

    @functools.cached_property
    def _sizes(self):
        return stream.on_host(self.scenes.sizes)

    def _checked(self, index):
        content, size = self.scenes.images.content(index), self._sizes[index]
        pixels = decoding.rgb(content, self.scenes.rules, size)
        same = tf.debugging.assert_equal(tf.shape(pixels)[:2], size)
        with tf.control_dependencies([same]):
            return tf.identity(pixels)

    def _refuse(self, index):
        name, number = self.scenes.images.name(index), self.scenes.ids[index]
        raise bad_images.BadImageError(f"image '{name}' of id {number} {self._fault(index)}")

    def _fault(self, index):
        """The part of the error after the image's name."""
        try:
            content = self.scenes.images.read(index)
        except (OSError, tf.errors.OpError) as error:
            return f"cannot be read: {errors.one_line(error)}"
        rules = self.scenes.rules
        reason = decoding.fault(content, rules)
        if reason:
            return f"cannot be decoded: {reason}"
        with tf.device("CPU:0"):
            height, width = decoding.rgb(tf.constant(content), rules).shape[:2]
        expected = " x ".join(map(str, self.scenes.sizes[index]))
        return (
            f"has another size than annotated: expected {expected} pixels (height x width); got"
            f" {height} x {width}: correct the image, or its annotations for a run in another workdir"
        )
