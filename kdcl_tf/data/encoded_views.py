"""A view for each student that is a window of an image as it is encoded."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import order as order_lib, stream


class EncodedViews(order_lib.StudentEpochs):
    """Streams training epochs of a distortion that shows windows of encoded images.

    The views of an image come from one read of its bytes, and one decode of the part of
    it that they show.
    """

    def draws(self, epoch: int, index: int | tf.Tensor) -> Any:
        """The random numbers of the views of one image in one epoch."""
        return self.policy.draw(order_lib.fold_in(self._key(epoch), index), self._count)

    def _batches(
        self, order: np.ndarray, batch_size: int, epoch: int, share: stream.Share
    ) -> tf.data.Dataset:
        view, key = tf.TensorSpec(self.dataset.image_shape, tf.float32), self._key(epoch)

        def decode(content, index):
            return self._decode(content, index, key)

        spec = self._shown(lambda number, normalization: view)
        return self.dataset.train.stream(order, batch_size, decode, spec, share)

    @functools.cached_property
    def _decode(self):
        """A graph that every epoch uses, since tracing it takes longer than some epochs."""

        def decode(content, index, key):
            draws = self.policy.draw(order_lib.fold_in(key, index), self._count)
            return self._views(content, draws)

        inputs = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)]
        return tf.function(
            decode, input_signature=[*inputs, tf.TensorSpec([2], tf.int64)], autograph=False
        )

    def _views(self, content: tf.Tensor, draws):
        """The students' views of one image, `[H, W, 3]` float32 each, normalised."""
        dataset = self.dataset
        images, matrix, added = self.policy.views(
            content, draws, *dataset.image_shape[:2], dataset.train.rules
        )
        # Normalisation, too, is a matrix and a colour that is added.
        merged = {
            each: [tf.unstack(part) for part in each.after_colours(matrix, added)]
            for each in set(self.normalizations.values())
        }

        def view(number, normalization):
            matrices, colours = merged[normalization]
            return _coloured(images[number], matrices[number], colours[number])

        return self._shown(view)


def _coloured(image: tf.Tensor, matrix: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
    """`[H, W, 3]`: every pixel, as a row, times the matrix, and the colour added."""
    pixels = tf.matmul(tf.reshape(image, [-1, 3]), matrix)
    return tf.reshape(tf.nn.bias_add(pixels, added), image.shape)
