"""A view for each student of photographs that stay on disk: ImageNet's distortion."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kdcl_tf.data import decoding, encoded, photometric, resized_crop
from kdcl_tf.data import order as order_lib


class Draws(NamedTuple):
    """What chance decided for the M views of an image.

    Attributes:
      window: `[M, ResizedCrop.draws]` float32 in 0..1.
      mirror: `[M]` bool.
      colour: `[M, Photometric.uniform_draws]` float32 in 0..1.
      light: `[M, Photometric.normal_draws]` float32, standard normal.
    """

    window: tf.Tensor
    mirror: tf.Tensor
    colour: tf.Tensor
    light: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Policy:
    """Resized crop, mirror with p = 1/2, photometric distortion.

    Attributes:
      crop, photometric: their policies.
      flip: whether images are mirrored at all.
    """

    crop: resized_crop.ResizedCrop = resized_crop.ResizedCrop()
    photometric: photometric.Photometric = photometric.Photometric()
    flip: bool = True

    def draw(self, key: tf.Tensor, count: int) -> Draws:
        """Decides the distortions of `count` views of one image, by stateless random ops.

        View m depends on the key and m alone: not on how many there are.
        """
        crop, colour = self.crop.draws, self.photometric.uniform_draws
        columns = [count, crop + 1 + colour]
        uniform = tf.random.stateless_uniform(columns, key, alg="philox")
        normal = tf.random.stateless_normal(
            [count, self.photometric.normal_draws], order_lib.fold_in(key, 0), alg="philox"
        )
        mirror = (uniform[:, crop] < 0.5) & self.flip
        return Draws(uniform[:, :crop], mirror, uniform[:, crop + 1 :], normal)


class EncodedViews(order_lib.Epochs):
    """Streams training epochs of an `EncodedDataset`, with the manners of `data.Views`.

    The views of an image come from one read of its file, and one decode of the part of
    it that they show.
    """

    def __init__(
        self,
        dataset: encoded.EncodedDataset,
        students: Sequence[str],
        seed: int,
        invariant: bool = True,
        policy: Policy | None = None,
    ):
        """See `data.Views`; `policy` is by default `Policy(flip=dataset.flip)`."""
        super().__init__(dataset, students, seed, invariant)
        self.policy = policy or Policy(flip=dataset.flip)

    def draws(self, epoch: int, index: int | tf.Tensor) -> Draws:
        """What chance decides for the views of one image in one epoch."""
        return self.policy.draw(order_lib.fold_in(self._key(epoch), index), len(self._viewers()))

    def _batches(self, order: np.ndarray, batch_size: int, epoch: int) -> tf.data.Dataset:
        view, key = tf.TensorSpec(self.dataset.image_shape, tf.float32), self._key(epoch)
        spec = {name: view for name in self._viewers()} if self._invariant else view

        def decode(content, index):
            return self._decode(content, index, key)

        return self.dataset.train.stream(order, batch_size, decode, spec)

    @functools.cached_property
    def _decode(self):
        """A graph that every epoch uses, since tracing it takes longer than some epochs."""
        names = self._viewers()

        def decode(content, index, key):
            draws = self.policy.draw(order_lib.fold_in(key, index), len(names))
            views = tf.unstack(self._views(content, draws), num=len(names))
            return dict(zip(names, views)) if self._invariant else views[0]

        inputs = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)]
        return tf.function(
            decode, input_signature=[*inputs, tf.TensorSpec([2], tf.int64)], autograph=False
        )

    def _views(self, content: tf.Tensor, draws: Draws) -> tf.Tensor:
        """`[M, S, S, 3]` float32, normalised: the views of one image."""
        size, count = self.dataset.image_shape[0], draws.mirror.shape[0]

        def windows(height, width):
            return self.policy.crop.windows(draws.window, height, width)

        pixels, boxes = decoding.parts(content, windows)
        parts = [_part(pixels, boxes[view], draws.mirror[view]) for view in range(count)]
        resized = [resized_crop.resize(part, size) for part in parts]
        images = tf.reshape(tf.stack(resized), [count, size * size, 3]) / 255.0
        matrix, added = self.policy.photometric.colours(
            draws.colour, draws.light, tf.reduce_mean(images, axis=1)
        )
        # Normalisation is one more of the same: a matrix, and a colour that is added.
        scale = 1.0 / tf.constant(self.dataset.deviation, tf.float32)
        added = (added - tf.constant(self.dataset.mean, tf.float32)) * scale
        distorted = tf.matmul(images, matrix * scale[:, None], transpose_b=True) + added[:, None]
        return tf.reshape(distorted, [count, size, size, 3])


def _part(pixels: tf.Tensor, box: tf.Tensor, mirror: tf.Tensor) -> tf.Tensor:
    """A window of an image, mirrored or not, in one copy."""
    top, left, height, width = tf.unstack(box)
    # A slice that runs backwards ends before its first column, which -1 would not say.
    before = left - 1 - tf.shape(pixels)[1]
    begin = tf.where(mirror, left + width - 1, left)
    end = tf.where(mirror, before, left + width)
    step = tf.where(mirror, -1, 1)
    part = tf.strided_slice(pixels, [top, begin, 0], [top + height, end, 3], [1, step, 1])
    return tf.ensure_shape(part, [None, None, 3])
