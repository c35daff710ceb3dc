"""A view for each student: its own random distortion of the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.data import dataset as dataset_lib
from kdcl_tf.data import distortion as distortion_lib
from kdcl_tf.data import stream


class Views:
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
        self.dataset = dataset
        self.students = tuple(students)
        self._seed = seed
        self._invariant = invariant
        _check(self.students, seed, cutout, dataset.image_shape)
        policy = distortion_lib.Distortion(padding, dataset.flip, cutout)
        self.distortions = {student: policy for student in self.students}
        self._images, self._labels = dataset.train.tensors

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches in an epoch, the last partial one included.

        Raises:
          ValueError: when `batch_size` is not in 1..number of training images.
        """
        count = len(self.dataset.train)
        if not 1 <= batch_size <= count:
            raise ValueError(
                f"batch_size: got {batch_size}, wanted 1..{count}, the number of"
                " training images; pass a smaller batch_size"
            )
        return math.ceil(count / batch_size)

    def epoch(
        self,
        epoch: int,
        batch_size: int,
        skip: int = 0,
        share: stream.Share = stream.Share(),
    ) -> tf.data.Dataset:
        """Every training image once, in the order of this epoch.

        Args:
          epoch: number of the epoch, 0 or more.
          batch_size: images a batch, over all replicas.
          skip: batches of this epoch already trained on; they are not produced.
          share: which part of every batch this process reads; by default all of it.

        Returns:
          `tf.data.Dataset` of (images, labels `[B]` int64). With `invariant`,
          images is `{student: [B, H, W, C] float32}`, otherwise one such tensor.
          B is None in the element spec; the last batch may be smaller. Give a
          `tf.function` this spec as its input signature: it would otherwise look
          at the tensors, and be traced again for the last batch.

        Raises:
          ValueError: when `batch_size` or `skip` does not fit the training set.
        """
        steps = self.steps_per_epoch(batch_size)
        if not 0 <= skip <= steps:
            raise ValueError(f"skip: got {skip}, wanted 0..{steps} batches")
        draws = self.draws(epoch)
        order = self.order(epoch)[skip * batch_size :]

        def examples(indices):
            labels = tf.gather(self._labels, indices)
            return self._views(indices, draws), labels

        return stream.batches(order, batch_size, examples, share)

    def order(self, epoch: int) -> np.ndarray:
        """The order of an epoch: a permutation of the training images' indices.

        Sorts raw bits of a generator that is keyed by NumPy's hash of (seed,
        epoch): both are promised never to change between versions of NumPy.
        """
        sequence = np.random.SeedSequence((self._seed, epoch))
        bits = np.random.Philox(sequence).random_raw(len(self.dataset.train))
        return np.argsort(bits, kind="stable")

    def draws(self, epoch: int) -> dict[str, distortion_lib.Draws]:
        """What chance decides for every image, and every student that has a view.

        Keys are made by `fold_in`, which hashes the key before it adds a number:
        so student 1 of seed 0 shares nothing with student 0 of seed 1, as it would
        if the numbers were added up.
        """
        count = len(self.dataset.train)
        height, width, _ = self.dataset.image_shape
        table = {}
        with tf.device("CPU:0"):
            key = _fold_in(tf.constant([self._seed, 0], tf.int64), epoch)
            for number, student in enumerate(self._viewers()):
                table[student] = self.distortions[student].draw(
                    _fold_in(key, number), count, height, width
                )
        return table

    def _viewers(self) -> tuple[str, ...]:
        return self.students if self._invariant else self.students[:1]

    def _views(self, indices: tf.Tensor, draws: dict[str, distortion_lib.Draws]):
        """The views of the images at `indices` `[B]`."""
        images = self.dataset.normalize(tf.gather(self._images, indices))
        views = {}
        for student in self._viewers():
            mine = [tf.gather(field, indices) for field in draws[student]]
            views[student] = self.distortions[student].apply(images, distortion_lib.Draws(*mine))
        return views if self._invariant else views[self.students[0]]


def _fold_in(key: tf.Tensor, number: int) -> tf.Tensor:
    return tf.random.fold_in(key, tf.constant(number, tf.int64), alg="philox")


def _check(
    students: tuple[str, ...],
    seed: int,
    cutout: int,
    image_shape: tuple[int, int, int],
) -> None:
    if not students or len(set(students)) != len(students):
        raise ValueError(f"students: got {students}, wanted one or more names, each once")
    if seed < 0:
        raise ValueError(f"seed: got {seed}, wanted 0 or more")
    side = min(image_shape[:2])
    if cutout > side:
        raise ValueError(f"cutout: got {cutout}, wanted at most {side}, the side of the image")
