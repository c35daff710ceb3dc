"""The module that is saved: a function of pixels which takes images."""

from __future__ import annotations

import tensorflow as tf

from kdcl_tf.serving import answering, photographs

__all__ = ["ServedStudent"]


class ServedStudent(tf.Module):
    """A function of pixels that takes images.

    `serve` takes images as uint8, `serve_pixels` as floats in 0..1, which distorted and noisy
    images need, and `serve_photograph` the bytes of one encoded image.  The LiteRT converter
    takes `serve` alone, by its name.

    Args:
      logits: see `serving.answering`.
      image_shape: `(H, W, C)`.
      scaled_to: `(height, width)` that a photograph is resized to, as the card says.
    """

    def __init__(self, logits, image_shape, scaled_to):
        super().__init__()
        # A closure holds the Keras model: only TensorFlow's own loader finds the variables of one
        # that is an attribute.  Session loaders and the LiteRT converter need them as they are
        # listed below.
        self._logits = logits
        shape = [None, *image_shape]
        whole = tf.TensorSpec(shape, tf.uint8, name="images")
        self.serve = tf.function(self._serve, input_signature=[whole], autograph=False)
        fractions = tf.TensorSpec(shape, tf.float32, name="pixels")
        self.serve_pixels = tf.function(
            self._serve_pixels, input_signature=[fractions], autograph=False
        )
        self._shapes = tuple(image_shape), tuple(scaled_to)
        encoded = tf.TensorSpec([], tf.string, name="photograph")
        if photographs.are_taken(image_shape):
            self.serve_photograph = tf.function(
                self._serve_photograph, input_signature=[encoded], autograph=False
            )
        self.weights = list(self.serve.get_concrete_function().variables)

    @property
    def signatures(self):
        """`{name: function}` of the SavedModel; `photograph` where there are such images."""
        named = {"serving_default": self.serve, "pixels": self.serve_pixels}
        if hasattr(self, "serve_photograph"):
            named["photograph"] = self.serve_photograph
        return named

    def _serve(self, images):
        return self._serve_pixels(tf.cast(images, tf.float32) / 255.0)

    def _serve_photograph(self, photograph):
        return self._serve(photographs.pixels(photograph, *self._shapes)[None])

    def _serve_pixels(self, pixels):
        # TensorFlow's oneDNN convolution misshapes an empty batch, so pad it by one image.  Not
        # by `tf.pad`: with a computed amount, images of one channel do not convert to LiteRT.
        count = tf.shape(pixels)[0]
        empty = tf.cast(count == 0, tf.int32)
        pixels = tf.concat([pixels, tf.zeros([empty, *pixels.shape[1:]])], axis=0)
        return answering.answers(self._logits(pixels)[:count])
