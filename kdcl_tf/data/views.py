"""A view for each student: its own random distortion of the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import (
    dataset as dataset_lib,
    distortions,
    encoded_views,
    normalization as normalization_lib,
    order as order_lib,
    stream,
)


def create_views(
    dataset: dataset_lib.ImageDataset,
    students: Sequence[str],
    seed: int,
    invariant: bool = True,
    normalizations: Mapping[str, normalization_lib.Normalization] | None = None,
    **options: Any,
) -> order_lib.StudentEpochs:
    """Views under the data set's own distortion.

    Args:
      dataset, students, seed, invariant, normalizations: see `order.StudentEpochs`.
      **options: of the distortion, such as `cutout=16` of `padded_crop`.

    Raises:
      ValueError: for arguments out of range.
    """
    policy = distortions.create(dataset.distortion, flip=dataset.flip, **options)
    windows = distortions.DISTORTIONS[dataset.distortion].windows
    kind = encoded_views.EncodedViews if windows else Views
    return kind(dataset, students, seed, invariant, policy, normalizations)


class Views(order_lib.StudentEpochs):
    """Streams training epochs of a distortion of whole images.

    views = create_views(dataset, ("resnet32", "wrn_16_2"), seed=0)
    for images, labels in views.epoch(0, batch_size=128):
      images["resnet32"], images["wrn_16_2"]  # [B, H, W, C] each
    """

    def __init__(self, *arguments: Any, **named: Any):
        """See `order.StudentEpochs`.

        Raises:
          ValueError: as there, and for images that the policy cannot distort.
        """
        super().__init__(*arguments, **named)
        self.policy.check(*self.dataset.image_shape[:2])
        # Graphs that every epoch's stream calls: to trace their ops again takes as long as a
        # short epoch.
        self._graph_of_views = tf.function(self._views, autograph=False, reduce_retracing=True)
        self._graph_of_draws = tf.function(self._draws, autograph=False)

    def draws(self, epoch: int) -> list[Any]:
        """The random numbers of all images, for each of the views."""
        with tf.device("CPU:0"):
            return self._graph_of_draws(self._key(epoch))

    def _draws(self, key):
        count = len(self.dataset.train)
        height, width, _ = self.dataset.image_shape
        return [
            self.policy.draw(order_lib.fold_in(key, number), count, height, width)
            for number in range(self._count)
        ]

    def _batches(
        self, order: np.ndarray, batch_size: int, epoch: int, share: stream.Share
    ) -> tf.data.Dataset:
        draws = self.draws(epoch)

        def finish(images, labels, indices):
            return self._graph_of_views(images, indices, draws), labels

        return self.dataset.train.batches(order, batch_size, finish, share)

    def _views(self, images: tf.Tensor, indices: tf.Tensor, draws: Sequence[Any]):
        """The students' views of the images `[B, H, W, C]` uint8 at `indices` `[B]`."""
        normalized = {each: each.apply(images) for each in set(self.normalizations.values())}

        def view(number, normalization):
            mine = tf.nest.map_structure(lambda field: tf.gather(field, indices), draws[number])
            return self.policy.apply(normalized[normalization], mine)

        return self._shown(view)
