"""Images that stay encoded, on disk or in memory, and are decoded when they are needed."""

from __future__ import annotations

import contextlib
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
    digests,
    errors,
    storage,
    stream,
)
from kdcl_tf.data.distortions import CENTRAL
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.files import escaping

__all__ = ["CENTRAL", "EncodedSplit"]

_DECODED_AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedSplit:
    """Encoded images and their labels, in a fixed order.

    Whole images are scaled to `margin` times the size, whatever their own shape, and cut to
    the centre.

    Attributes:
      images: a class of `storage`, of N images.
      labels: `[N]` int64.
      class_names: one a class.
      size: (height, width) of the images it gives.
      bad_images: whether those that cannot be decoded are left out, and which these are.
      margin: 1 shows all of an image.
      rules: how large an encoded image may be, and whether it is turned upright.
    """

    images: storage.Files | storage.TFRecords | storage.Bytes | storage.Pixels
    labels: np.ndarray
    class_names: Sequence[str]
    size: tuple[int, int]
    bad_images: bad_images_lib.BadImages
    margin: float = 1.0
    rules: ImageRules = ImageRules()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it gives."""
        return (*self.size, 3)

    @property
    def num_bad(self) -> int:
        """How many images have been found so far that cannot be decoded."""
        found = self.bad_images.found
        return sum(self.images.name(index) in found for index in range(len(self))) if found else 0

    def take(self, indices: Any) -> EncodedSplit:
        """The examples at `indices`, an array or a slice, in that order."""
        images, labels = self.images.take(indices), self.labels[indices]
        return dataclasses.replace(self, images=images, labels=labels)

    def listing(self) -> str:
        """A line for each image: its name, a tab, the name of its class, both escaped.

        `escaping.fields` of a line are the names.
        """
        names = (escaping.escaped(self.class_names[label]) for label in self.labels)
        lines = (f"{self.images.name(index)}\t{name}\n" for index, name in enumerate(names))
        return "".join(lines)

    def digest(self) -> dict[str, Any]:
        """What tells these images from others, see `ImageSplit.digest`; `bytes` if in memory."""
        return {**digests.of_labels(self.labels), **self.images.digest()}

    def pixels(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every image as a student in service would be given it, in order.

        Yields:
          (`[B, H, W, 3]` uint8, `[B]` int64 labels).

        Raises:
          BadImageError: at the first image that cannot be decoded, unless skipped.
        """
        everything = np.arange(len(self))
        batches = self.batches(everything, batch_size, lambda images, labels, _: (images, labels))
        with bad_images_lib.told_in_one_line():
            yield from batches.filter(bad_images_lib.any_left).as_numpy_iterator()

    def batches(
        self,
        order: np.ndarray,
        batch_size: int,
        finish: Callable[..., Any],
        share: stream.Share | None = None,
    ) -> tf.data.Dataset:
        """Streams whole images, as `ImageSplit.batches` does, and decodes them on the way."""
        spec = tf.TensorSpec(self.image_shape, tf.uint8), tf.TensorSpec([], tf.int64)
        return self.stream(
            order,
            batch_size,
            lambda content, index: (self._whole_graph(content), index),
            spec,
            share or stream.Share(),
            lambda pair, labels: finish(pair[0], labels, pair[1]),
        )

    def stream(
        self,
        order: np.ndarray,
        batch_size: int,
        decode: Callable[[tf.Tensor, tf.Tensor], Any],
        spec: Any,
        share: stream.Share = stream.Share(),
        finish: Callable[[Any, tf.Tensor], Any] = lambda images, labels: (images, labels),
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
          finish: maps what `decode` gives, batched, and labels `[B]` int64 to a batch.

        Returns:
          `tf.data.Dataset` of what `finish` gives. B is 0 where all images of a batch are
          bad. With several replicas that is an error, since they would wait for each other.
        """

        def example(index):
            return *self._decoded(index, decode, spec), self._labels[index], index

        def finished(images, good, labels, indices):
            return finish(*self._without_bad(share.replicas > 1, images, good, labels, indices))

        return stream.decoded(order, batch_size, example, finished, share)

    def decoded(self) -> dataset_lib.ImageSplit:
        """The whole images, decoded into memory; bad ones are reported at once.

        Raises:
          BadImageError: at the first image that cannot be decoded, unless skipped.
        """
        own = getattr(self.images, "pixels", None)
        if own is not None and own.shape[1:] == self.image_shape and self.margin == 1:
            # No file holds them: there are no names to list.
            return dataset_lib.ImageSplit(own, self.labels)
        found = np.zeros([len(self), *self.image_shape], np.uint8)
        good = np.zeros([len(self)], bool)
        source = self
        # To open a file for each of many small records takes longer than to decode them.
        if isinstance(self.images, storage.TFRecords) and self.images.size(0) <= found.nbytes:
            source = dataclasses.replace(self, images=storage.held(self.images))
        for images, indices in source.numbered():
            found[indices], good[indices] = images, True
        return dataset_lib.ImageSplit(found, self.labels, self, None if good.all() else good)

    def numbered(
        self, batch_size: int = _DECODED_AT_ONCE
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Whole images, `[B, H, W, 3]` uint8, and their positions in the split; no bad ones.

        A bad image leaves its batch smaller, down to none.
        """
        done = 0
        # Decoding small images takes three times as long where each may be bad, so that is
        # done from the first bad one on.
        with contextlib.suppress(tf.errors.OpError):
            for images, indices in self._good_batches(batch_size).as_numpy_iterator():
                done += len(indices)
                yield images, indices
        if done == len(self):
            return
        rest = np.arange(done, len(self))
        batches = self.batches(rest, batch_size, lambda images, _, indices: (images, indices))
        with bad_images_lib.told_in_one_line():
            yield from batches.as_numpy_iterator()

    def _good_batches(self, batch_size):
        """What `numbered` gives, up to the first bad image, where it ends with an error."""

        def example(index):
            return self._whole_graph(self.images.content(index)), index

        everything = np.arange(len(self))
        return stream.decoded(everything, batch_size, example, lambda *batch: batch)

    def is_good(self, index: int) -> bool:
        """Whether an image can be read, and decoded whole, now."""
        try:
            content = self.images.read(index)
        except (OSError, tf.errors.OpError):
            return False
        return decoding.fault(content, self.rules) is None

    def report(self, index: int) -> None:
        """Reports that an image cannot be decoded, and why.

        Raises:
          BadImageError: unless bad images are skipped; and in any case when the image's file
            has changed since it was indexed, as then labels belong to other images.
        """
        class_name = escaping.escaped(self.class_names[self.labels[index]])
        reason = escaping.escaped(self._reason(index))
        self.bad_images.report(self.images.name(index), class_name, reason)

    @functools.cached_property
    def _labels(self):
        return stream.on_host(self.labels)

    @functools.cached_property
    def _whole_graph(self):
        """`_whole` as a graph that every stream uses: tracing it takes longer than a batch."""
        content = tf.TensorSpec([], tf.string)
        return tf.function(self._whole, input_signature=[content], autograph=False)

    def _whole(self, content):
        """The pixels of one image, `[H, W, 3]` uint8."""
        scaled_to = [round(side * self.margin) for side in self.size]
        return decoding.centre(decoding.rgb(content, self.rules), scaled_to, self.image_shape)

    def _decoded(self, index, decode, spec):
        """(what `decode` gives, or zeros where it fails; whether it succeeded).

        A stream of one image that ignores errors is the only way for a graph to go on
        after an operation has failed.
        """
        one = tf.data.Dataset.from_tensors(index)
        good = one.map(lambda index: (decode(self.images.content(index), index), True))
        bad = one.map(lambda _: (tf.nest.map_structure(_zeros, spec), False))
        return good.ignore_errors().concatenate(bad).take(1).get_single_element()

    def _without_bad(self, refuse_empty, images, good, labels, indices):
        """(images, labels) of the good ones; the others are reported."""

        def some():
            told = tf.numpy_function(self._report, [indices, good, refuse_empty], tf.bool)
            with tf.control_dependencies([told]):
                kept = tf.nest.map_structure(lambda each: tf.boolean_mask(each, good), images)
                return kept, tf.boolean_mask(labels, good)

        return tf.cond(tf.reduce_all(good), lambda: (images, labels), some)

    def _report(self, indices, good, refuse_empty):
        """Reports the images that are not good, by their number in this split."""
        for index in indices[~good]:
            self.report(index)
        if refuse_empty and not good.any():
            raise bad_images_lib.none_left(len(good), self.images.name(indices[0]))
        return True

    def _reason(self, index):
        try:
            content = self.images.read(index)
        except storage.ChangedError as error:
            raise bad_images_lib.BadImageError(errors.one_line(error)) from error
        except (OSError, tf.errors.OpError) as error:
            return errors.one_line(error)
        return decoding.fault(content, self.rules) or "it can be decoded whole, and not in part"


def _zeros(spec):
    return tf.zeros(spec.shape, spec.dtype)
