"""A view for each student: its own random distortion of the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.data import dataset as dataset_lib, order as order_lib, stream
from kdcl_tf.data.distortions import padded_crop as distortion_lib


class Views(order_lib.StudentEpochs):
    """Streams training epochs in which every student sees its own view.

    Invariant collaborative learning (KDCL paper, section 3.4) asks that students
    agree on images that each of them sees distorted in another way. All students
    share one policy and differ in what chance decides.

    Nothing here has a state. A view is a function of (seed, epoch, number of the
    student, index of the image), and the order of the images of (seed, epoch):
    neither depends on the batch size, on `skip` or on what was read before.

        views = Views(dataset, ("resnet32", "wrn_16_2"), seed=0)
        for images, labels in views.epoch(0, batch_size=128):
          images["resnet32"], images["wrn_16_2"]  # [B, H, W, C] each

    Attributes:
      dataset: where the images come from.
      students: names of the students, in order.
      distortions: the policy of each student. All are the same today; students
        that differ in resolution would differ here.
    """

    def __init__(
        self,
        dataset: dataset_lib.ImageDataset,
        students: Sequence[str],
        seed: int,
        invariant: bool = True,
        cutout: int = 0,
        padding: int = 4,
    ):
        """Puts the training images where tf.data can reach them, once.

        Args:
          dataset: its `train` split is streamed.
          students: distinct names; their order matters, the names do not.
          seed: 0 or more.
          invariant: a view for each student; otherwise one view is shared by all,
            and it is the one that the first student would have had.
          cutout: side of the Cutout square in pixels, 0 for none.
          padding: pixels added on each side before the random crop.

        Raises:
          ValueError: for no students or two of one name, a negative seed, a
            negative size, or a Cutout square larger than the image.
        """
        super().__init__(dataset, students, seed, invariant)
        side = min(dataset.image_shape[:2])
        if cutout > side:
            raise ValueError(
                f"cutout: got {cutout}, wanted at most {side}, the side of the image"
            )
        policy = distortion_lib.Distortion(padding, dataset.flip, cutout)
        self.distortions = {student: policy for student in self.students}
        self._images, self._labels = dataset.train.tensors

    def _batches(
        self, order: np.ndarray, batch_size: int, epoch: int, share: stream.Share
    ) -> tf.data.Dataset:
        draws = self.draws(epoch)

        def examples(indices):
            labels = tf.gather(self._labels, indices)
            return self._views(indices, draws), labels

        return stream.batches(order, batch_size, examples, share)

    def draws(self, epoch: int) -> dict[str, distortion_lib.Draws]:
        """What chance decides for every image, and every student that has a view."""
        count = len(self.dataset.train)
        height, width, _ = self.dataset.image_shape
        table = {}
        with tf.device("CPU:0"):
            key = self._key(epoch)
            for number, student in enumerate(self._viewers()):
                table[student] = self.distortions[student].draw(
                    order_lib.fold_in(key, number), count, height, width
                )
        return table

    def _views(self, indices: tf.Tensor, draws: dict[str, distortion_lib.Draws]):
        """The views of the images at `indices` `[B]`."""
        images = self.dataset.normalization.apply(tf.gather(self._images, indices))
        views = {}
        for student in self._viewers():
            mine = [tf.gather(field, indices) for field in draws[student]]
            views[student] = self.distortions[student].apply(images, distortion_lib.Draws(*mine))
        return views if self._invariant else views[self.students[0]]
