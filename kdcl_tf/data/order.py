"""Epochs: the order in which images are trained on, and the keys of their random distortions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import (
    bad_images,
    dataset as dataset_lib,
    distortions,
    normalization as normalization_lib,
    stream,
)


class Epochs:
    """What all streams of training data share: the order, the number of steps, the keys.

    Nothing here has state. The order of the images is a function of (seed, epoch), and
    the random numbers of an image are a function of (seed, epoch, index of the image):
    neither depends on the batch size, on `skip` or on what was read before.

    A subclass overrides `_batches(order, batch_size, epoch, share)`, which gives the
    images in `order`.

    Attributes:
      dataset: its `train` split is streamed.
    """

    def __init__(self, dataset: Any, seed: int):
        self.dataset = dataset
        self._seed = seed
        if seed < 0:
            raise ValueError(f"seed: expected 0 or more; got {seed}")

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches in an epoch, the last partial one included.

        Raises:
          ValueError: when `batch_size` is not in 1..number of training images.
        """
        return steps_of(len(self.dataset.train), batch_size)

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
          `tf.data.Dataset` of the batches that the class describes. B is None in the
          element spec; the last batch may be smaller. Give a `tf.function` this spec
          as its input signature: it would otherwise look at the tensors, and be
          traced again for the last batch.

        Raises:
          ValueError: when `batch_size` or `skip` does not fit the training set.
        """
        steps = self.steps_per_epoch(batch_size)
        if not 0 <= skip <= steps:
            raise ValueError(f"skip: expected 0..{steps} batches; got {skip}")
        return self._batches(self.order(epoch)[skip * batch_size :], batch_size, epoch, share)

    def order(self, epoch: int) -> np.ndarray:
        """The order of an epoch: a permutation of the training images' indices.

        Sorts raw bits of a generator that is keyed by NumPy's hash of (seed,
        epoch): both are promised never to change between versions of NumPy.
        """
        sequence = np.random.SeedSequence((self._seed, epoch))
        bits = np.random.Philox(sequence).random_raw(len(self.dataset.train))
        return np.argsort(bits, kind="stable")

    def _batches(
        self, order: np.ndarray, batch_size: int, epoch: int, share: stream.Share
    ) -> tf.data.Dataset:
        raise TypeError(f"{type(self).__name__} must override _batches")

    def _key(self, epoch: int) -> tf.Tensor:
        """`[2]` int64: the key of all random numbers of an epoch."""
        with tf.device("CPU:0"):
            return fold_in(tf.constant([self._seed, 0], tf.int64), epoch)


class StudentEpochs(Epochs):
    """Epochs of labelled images, of which every student sees a view of its own.

    Invariant collaborative learning (ICL; KDCL paper, section 3.4) asks that students
    agree on images that each of them sees distorted in another way. All students
    share one policy and differ in their random numbers.

    A batch is (images, labels `[B]` int64). Images is `{student: [B, H, W, C] float32}`, or
    one such tensor where all students see the same. A view is a function of (seed, epoch,
    number of the student, index of the image), wherever images live.

    Attributes:
      dataset: its `train` split is streamed.
      students: names of the students, in order.
      policy: of the distortion, see `data.distortions`.
      normalizations: `{student: Normalization}`.
    """

    def __init__(
        self,
        dataset: dataset_lib.ImageDataset,
        students: Sequence[str],
        seed: int,
        invariant: bool = True,
        policy: Any = None,
        normalizations: Mapping[str, normalization_lib.Normalization] | None = None,
    ):
        """Describes the batches.

        Args:
          dataset: its `train` split is streamed.
          students: distinct names; their order matters, the names do not.
          seed: 0 or more.
          invariant: a view for each student; otherwise one view is shared by all,
            and it is the one that the first student would have had.
          policy: by default that of the data set's distortion.
          normalizations: of students that have their own; by default the data set's.

        Raises:
          ValueError: for no students or two of one name, a negative seed, or the
            normalisation of an unknown student.
        """
        super().__init__(dataset, seed)
        self.students = tuple(students)
        if not self.students or len(set(self.students)) != len(self.students):
            raise ValueError(
                f"students: expected one or more names, each once; got {self.students}"
            )
        given = normalizations or {}
        unknown = sorted(given.keys() - set(self.students))
        if unknown:
            raise ValueError(
                f"normalizations: expected students of {', '.join(self.students)}; got"
                f" {', '.join(unknown)}"
            )
        self.normalizations = {
            name: given.get(name, dataset.normalization) for name in self.students
        }
        self.policy = policy or distortions.create(dataset.distortion, flip=dataset.flip)
        self._invariant = invariant

    def epoch(
        self, epoch: int, batch_size: int, skip: int = 0, share: stream.Share | None = None
    ) -> tf.data.Dataset:
        """See `Epochs`.

        Where bad images are left out, a batch may have none left. It is passed over, unless
        a `share` is asked for: a loop that counts steps finds its place again by their number.
        """
        batches = super().epoch(epoch, batch_size, skip, share or stream.Share())
        if share is None and self.dataset.bad_images.skip:
            return batches.filter(bad_images.any_left)
        return batches

    @property
    def _count(self) -> int:
        """Number of different random views of an image."""
        return len(self.students) if self._invariant else 1

    def _shown(self, view: Callable[[int, normalization_lib.Normalization], Any]) -> Any:
        """The images of a batch, as students take them.

        Args:
          view: maps the number of a view, below `_count`, and a normalisation to its images.
        """
        if not self._invariant and len(set(self.normalizations.values())) == 1:
            return view(0, self.normalizations[self.students[0]])
        return {
            student: view(number if self._invariant else 0, self.normalizations[student])
            for number, student in enumerate(self.students)
        }


def steps_of(images: int, batch_size: int) -> int:
    """Number of batches that images make, the last partial one included.

    Raises:
      ValueError: when `batch_size` is not in 1..`images`.
    """
    if not 1 <= batch_size <= images:
        raise ValueError(
            f"batch_size: expected 1..{images}, the number of training images; got {batch_size}"
        )
    return math.ceil(images / batch_size)


def fold_in(key: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """A key for one number of many.

    The key is hashed before the number is added: so student 1 of seed 0 shares
    nothing with student 0 of seed 1, as it would if the numbers were added up.
    """
    return tf.random.fold_in(key, tf.cast(number, tf.int64), alg="philox")
