"""A data set in memory: uint8 images, integer labels, channel statistics."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf.data import normalization as normalization_lib

# Decoded images live in memory. Past this the machine would swap or be killed
# in the middle of a long decode, so the load is refused before it starts.
MAXIMUM_BYTES = 16_000_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplit:
    """Images and their labels, in a fixed order.

    Attributes:
      images: `[N, H, W, C]` uint8. N may be 0.
      labels: `[N]` int64.

    Raises:
      ValueError: when dtypes, ranks or lengths are not those.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f"images: got {images.dtype} of shape {list(images.shape)}, wanted"
                " uint8 of shape [N, H, W, C]"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels: got {labels.dtype} of shape {list(labels.shape)}, wanted"
                f" int64 of shape [{len(images)}], one for each image"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def tensors(self):
        """(images, labels) as tensors on the host, copied at the first use and kept."""
        from kdcl_tf.data import stream

        return stream.on_host(self.images), stream.on_host(self.labels)

    def take(self, indices: np.ndarray) -> ImageSplit:
        """The examples at `indices` (`[n]` integers), copied, in that order."""
        return ImageSplit(self.images[indices], self.labels[indices])

    def pixels(self, batch_size: int):
        """Every image once, in order, as a student in service would be given it.

        Yields:
          (`[B, H, W, C]` uint8, `[B]` int64 labels).
        """
        for start in range(0, len(self), batch_size):
            part = slice(start, start + batch_size)
            yield self.images[part], self.labels[part]


class Source(NamedTuple):
    """What a source file gives: everything it has, nothing held out yet.

    Attributes:
      train: all training images.
      test: all test images.
      class_names: one name a class; a label is a position here.
      flip: whether a mirrored image still shows its class.
    """

    train: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]
    flip: bool


@dataclasses.dataclass(frozen=True, eq=False)
class ImageDataset:
    """An image classification data set, ready to train on.

    Attributes:
      name: what was asked of `load`.
      train: the images trained on; held-out ones are not among them.
      held_out: images kept from training, for KDCL-General; may be empty.
      test: the images that results are reported on.
      class_names: one name a class.
      normalization: of the images, for students that have none of their own.
      flip: whether views may mirror an image. `dataclasses.replace(dataset,
        flip=False)` turns it off.
    """

    name: str
    train: ImageSplit
    held_out: ImageSplit
    test: ImageSplit
    class_names: tuple[str, ...]
    normalization: normalization_lib.Normalization
    flip: bool

    @property
    def distortion(self) -> str:
        """The distortion that views of these images have, as `data.load` names it."""
        return "padded_crop"

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.train.images.shape[1:]

    def batches(self, split: ImageSplit, batch_size: int, share=None):
        """Every example of a split once, in order, without distortion.

        Iterate the result as often as wanted.

        Args:
          split: `dataset.test`, `.held_out` or `.train`; may be empty.
          batch_size: examples a batch; the last batch may be smaller.
          share: `data.Share`, the part of every batch that this process reads; None is all.

        Returns:
          `tf.data.Dataset` of (normalised images `[B, H, W, C]` float32, labels
          `[B]` int64), where B is None in the element spec.

        Raises:
          ValueError: when `batch_size` is not positive.
        """
        import tensorflow as tf

        from kdcl_tf.data import stream

        images, labels = split.tensors

        def examples(indices):
            rows = tf.gather(images, indices)
            return self.normalization.apply(rows), tf.gather(labels, indices)

        share = share or stream.Share()
        return stream.batches(np.arange(len(split)), batch_size, examples, share)

    def problems(self) -> dict[str, int]:
        """Counts of what went wrong with images so far, for a run's log."""
        return {}

    def summary(self) -> dict[str, Any]:
        """What a run should record of its data; `json.dumps` accepts it."""
        return {
            "name": self.name,
            "distortion": self.distortion,
            "num_train": len(self.train),
            "num_held_out": len(self.held_out),
            "num_test": len(self.test),
            "num_classes": self.num_classes,
            "image_shape": [int(size) for size in self.image_shape],
            **self.normalization.as_card(),
            "flip": self.flip,
        }


def check_labels(split_name: str, labels: np.ndarray, num_classes: int) -> None:
    """Raises ValueError at the first label outside 0..num_classes-1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        raise ValueError(
            f"labels out of range: got {labels[wrong[0]]} at example {wrong[0]} of"
            f" {split_name}, wanted 0..{num_classes - 1}"
        )


def check_size(name: str, count: int, height: int, width: int) -> None:
    """Raises ValueError when `count` RGB images would not fit in memory."""
    size = count * height * width * 3
    if size > MAXIMUM_BYTES:
        raise ValueError(
            f"data set {name!r} is too large to hold in memory: got {count} images"
            f" of {height}x{width}, {size / 1e9:.1f} GB decoded, wanted at most"
            f" {MAXIMUM_BYTES / 1e9:.0f} GB; pass a smaller image_size"
        )
