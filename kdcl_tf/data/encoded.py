"""A data set whose images stay encoded on disk and are decoded when they are wanted."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    decoding,
    errors,
    resize,
    storage,
    stream,
)

DEFAULT_SIZE = 224

# Test images of 224 are cut from 256 (paper, section 4.1); other sizes in proportion.
_SCALED = 256 / 224


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedSplit:
    """Encoded images and their labels, in a fixed order.

    Attributes:
      images: `storage.Files` or `storage.Records` of N images.
      labels: `[N]` int64.
      class_names: one a class.
      image_size: pixels a side of the images it gives.
      bad_images: what to do about those that cannot be decoded.
    """

    images: storage.Files | storage.Records
    labels: np.ndarray
    class_names: Sequence[str]
    image_size: int
    bad_images: bad_images_lib.BadImages

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices) -> EncodedSplit:
        """The examples at `indices`, an array or a slice, in that order."""
        images, labels = self.images.take(indices), self.labels[indices]
        return dataclasses.replace(self, images=images, labels=labels)

    def listing(self) -> str:
        """A line for each image: its name, a tab, the name of its class."""
        names = (self.class_names[label] for label in self.labels)
        lines = (f"{self.images.name(index)}\t{name}\n" for index, name in enumerate(names))
        return "".join(lines)

    def pixels(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every image as a student in service would be given it, in order.

        Yields:
          (`[B, S, S, 3]` uint8, `[B]` int64 labels).

        Raises:
          BadImageError: at the first image that cannot be decoded, unless skipped.
        """
        with bad_images_lib.told_in_one_line():
            yield from self.central(batch_size).as_numpy_iterator()

    def central(self, batch_size: int, share: stream.Share | None = None) -> tf.data.Dataset:
        """`pixels`, as a `tf.data.Dataset`; of every batch the `share` of this process."""
        share = share or stream.Share()
        size = self.image_size
        spec = tf.TensorSpec([size, size, 3], tf.uint8)
        decode = functools.partial(_central, size=size)
        alone = share.replicas == 1
        batches = self.stream(
            np.arange(len(self)),
            batch_size,
            lambda content, _: decode(content),
            spec,
            share,
        )
        if not alone:
            return batches
        # A batch of which nothing is left says nothing, and CPUs' convolutions fail on it.
        return batches.filter(has_images)

    def stream(
        self,
        order: np.ndarray,
        batch_size: int,
        decode: Callable[[tf.Tensor, tf.Tensor], Any],
        spec: Any,
        share: stream.Share = stream.Share(),
    ) -> tf.data.Dataset:
        """Decodes the images at `order`, in that order.

        Which batch an image belongs to does not depend on what can be decoded: a
        bad image leaves its batch smaller.

        Args:
          order: `[n]` integers.
          batch_size: images a batch, over all replicas.
          decode: maps the bytes of an image and its index to tensors.
          spec: nest of `tf.TensorSpec` that `decode` gives.
          share: the parts of every batch that are produced, see `stream.batches`.

        Returns:
          `tf.data.Dataset` of (what `decode` gives, batched; labels `[B]` int64). B is 0 where
          all images of a batch are bad; for one of several replicas, which would wait for
          each other, that is an error.
        """

        def example(index):
            return *self._decoded(index, decode, spec), self._labels[index], index

        finish = functools.partial(self._finish, share.replicas > 1)
        return stream.decoded(order, batch_size, example, finish, share)

    @functools.cached_property
    def _labels(self):
        return stream.on_host(self.labels)

    def _decoded(self, index, decode, spec):
        """(what `decode` gives, whether it could): zeros when not.

        A stream of one image that ignores errors is the one way in which a graph
        can go on after an operation has failed.
        """
        one = tf.data.Dataset.from_tensors(index)
        good = one.map(lambda index: (decode(self.images.content(index), index), True))
        bad = one.map(lambda _: (tf.nest.map_structure(_zeros, spec), False))
        return good.ignore_errors().concatenate(bad).take(1).get_single_element()

    def _finish(self, refuse_empty, images, good, labels, indices):
        """Leaves out what is not good, and tells of it."""

        def without_bad_ones():
            told = tf.numpy_function(self._report, [indices, good, refuse_empty], tf.bool)
            with tf.control_dependencies([told]):
                kept = tf.nest.map_structure(lambda each: tf.boolean_mask(each, good), images)
                return kept, tf.boolean_mask(labels, good)

        return tf.cond(tf.reduce_all(good), lambda: (images, labels), without_bad_ones)

    def _report(self, indices, good, refuse_empty):
        """Tells of the images that are not good, by number in this split."""
        for index in indices[~good]:
            name, label = self.images.name(index), self.labels[index]
            self.bad_images.report(name, self.class_names[label], self._reason(index))
        if refuse_empty and not good.any():
            raise bad_images_lib.BadImageError(
                f"all {len(good)} images of a batch cannot be decoded, among them '{name}': wanted"
                " one that can for every device; mend or remove them, or train on one device"
            )
        return True

    def _reason(self, index):
        try:
            content = self.images.read(index)
        except (OSError, tf.errors.OpError) as error:
            return errors.one_line(error)
        return decoding.fault(content) or "it can be decoded whole, and not in part"


def has_images(_, labels):
    """Whether anything is left of a batch: what to `filter` a stream by."""
    return tf.size(labels) > 0


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedDataset(dataset_lib.ImageDataset):
    """An `ImageDataset` whose splits are `EncodedSplit`s.

    Images for evaluation are scaled to a square, 256 x 256 for 224 as in the paper,
    whatever their own shape, and cut to the central `image_size`.
    """

    @property
    def distortion(self) -> str:
        return "resized_crop"

    @property
    def bad_images(self) -> bad_images_lib.BadImages:
        return self.train.bad_images

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (self.train.image_size, self.train.image_size, 3)

    def batches(self, split: EncodedSplit, batch_size: int, share=None) -> tf.data.Dataset:
        batches = split.central(batch_size, share)
        return batches.map(lambda images, labels: (self.normalization.apply(images), labels))

    def problems(self) -> dict[str, int]:
        return {"bad_images": len(self.bad_images)} if self.bad_images.skip else {}

    def summary(self) -> dict[str, Any]:
        return {**super().summary(), **self.problems()}


def _zeros(spec):
    return tf.zeros(spec.shape, spec.dtype)


def _central(content, size):
    scaled = round(size * _SCALED)
    border = (scaled - size) // 2
    image = resize.square(decoding.rgb(content), scaled)
    return tf.ensure_shape(image[border : border + size, border : border + size], [size, size, 3])
