"""A view for each student of photographs that stay on disk: ImageNet's distortion."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kdcl_tf.data import decoding, encoded, order as order_lib, stream
from kdcl_tf.data.distortions import photometric, resized_crop


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


class EncodedViews(order_lib.StudentEpochs):
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

    def epoch(
        self, epoch: int, batch_size: int, skip: int = 0, share: stream.Share | None = None
    ) -> tf.data.Dataset:
        """See `data.Views`.

        Where bad images are passed over, a batch may have none left.  It is left out, unless
        a `share` is asked for: whoever counts steps finds its place again by their number.
        """
        batches = super().epoch(epoch, batch_size, skip, share or stream.Share())
        if share is None and self.dataset.bad_images.skip:
            return batches.filter(encoded.has_images)
        return batches

    def draws(self, epoch: int, index: int | tf.Tensor) -> Draws:
        """What chance decides for the views of one image in one epoch."""
        return self.policy.draw(order_lib.fold_in(self._key(epoch), index), len(self._viewers()))

    def _batches(
        self, order: np.ndarray, batch_size: int, epoch: int, share: stream.Share
    ) -> tf.data.Dataset:
        view, key = tf.TensorSpec(self.dataset.image_shape, tf.float32), self._key(epoch)
        spec = {name: view for name in self._viewers()} if self._invariant else view

        def decode(content, index):
            return self._decode(content, index, key)

        return self.dataset.train.stream(order, batch_size, decode, spec, share)

    @functools.cached_property
    def _decode(self):
        """A graph that every epoch uses, since tracing it takes longer than some epochs."""
        names = self._viewers()

        def decode(content, index, key):
            draws = self.policy.draw(order_lib.fold_in(key, index), len(names))
            views = self._views(content, draws)
            return dict(zip(names, views)) if self._invariant else views[0]

        inputs = [tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int64)]
        return tf.function(
            decode, input_signature=[*inputs, tf.TensorSpec([2], tf.int64)], autograph=False
        )

    def _views(self, content: tf.Tensor, draws: Draws) -> list[tf.Tensor]:
        """The M views of one image, `[S, S, 3]` float32 each, normalised."""
        size, count = self.dataset.image_shape[0], draws.mirror.shape[0]

        def windows(height, width):
            return self.policy.crop.windows(draws.window, height, width)

        pixels, boxes = decoding.parts(content, windows)
        parts = [_part(pixels, boxes[view], draws.mirror[view]) for view in range(count)]
        images = [resized_crop.resize(part, size) for part in parts]
        mean = tf.stack([_mean_colour(image) for image in images]) / 255.0
        matrix, added = self.policy.photometric.colours(draws.colour, draws.light, mean)
        matrix, added = self.dataset.normalization.after_colours(matrix, added)
        return [_coloured(*each) for each in zip(images, tf.unstack(matrix), tf.unstack(added))]


def _part(pixels: tf.Tensor, box: tf.Tensor, mirror: tf.Tensor) -> tf.Tensor:
    """A window of an image, mirrored or not."""
    top, left, height, width = tf.unstack(box)
    part = pixels[top : top + height, left : left + width]
    # Not a slice that runs backwards, which takes ten times as long.
    return tf.cond(mirror, lambda: tf.reverse(part, [1]), lambda: part)


def _mean_colour(image: tf.Tensor) -> tf.Tensor:
    """`[3]` from `[S, S, 3]`: rows first, since sums over triples take twice as long."""
    size = image.shape[0]
    row = tf.reduce_mean(tf.reshape(image, [size, size * 3]), axis=0)
    return tf.reduce_mean(tf.reshape(row, [size, 3]), axis=0)


def _coloured(image: tf.Tensor, matrix: tf.Tensor, added: tf.Tensor) -> tf.Tensor:
    """`[S, S, 3]`: every pixel, as a row, times the matrix, and the colour added."""
    pixels = tf.matmul(tf.reshape(image, [-1, 3]), matrix)
    return tf.reshape(tf.nn.bias_add(pixels, added), image.shape)
