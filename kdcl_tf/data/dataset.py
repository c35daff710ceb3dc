"""A data set: its splits, its classes, and how its images are normalised."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    digests,
    normalization as normalization_lib,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from kdcl_tf.data import stream


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSplit:
    """Decoded images in memory and their labels, in a fixed order.

    Attributes:
      images: `[N, H, W, C]` uint8. N may be 0.
      labels: `[N]` int64.
      encoded: the `EncodedSplit` that they were decoded from, if any.
      good: `[N]` bool, False for images that could not be decoded, which are passed over;
        None where all of them could.

    Raises:
      ValueError: when dtypes, ranks or lengths are not those.
    """

    images: np.ndarray
    labels: np.ndarray
    encoded: Any = None
    good: np.ndarray | None = None

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f"images: expected uint8 of shape [N, H, W, C]; got {images.dtype} of shape"
                f" {list(images.shape)}"
            )
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"labels: expected int64 of shape [{len(images)}], one for each image; got"
                f" {labels.dtype} of shape {list(labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.images.shape[1:]

    @property
    def num_bad(self) -> int:
        """How many images could not be decoded."""
        return 0 if self.good is None else int((~self.good).sum())

    def is_good(self, index: int) -> bool:
        """Whether an image could be decoded."""
        return self.good is None or bool(self.good[index])

    @functools.cached_property
    def _tensors(self):
        """(images, labels) as tensors on the host, copied at the first use and kept."""
        from kdcl_tf.data import stream

        return stream.on_host(self.images), stream.on_host(self.labels)

    def take(self, indices: Any) -> ImageSplit:
        """The examples at `indices`, an array or a slice, copied, in that order."""
        return ImageSplit(
            self.images[indices],
            self.labels[indices],
            self.encoded and self.encoded.take(indices),
            None if self.good is None else self.good[indices],
        )

    def listing(self) -> str:
        """A line for each image, see `EncodedSplit.listing`; "" where images have no names."""
        return self.encoded.listing() if self.encoded else ""

    def digest(self) -> dict[str, Any]:
        """What tells these images from others, as JSON holds it; no paths.

        `images` counts them; the SHA-256 of `labels`, of `names` and of the `decoded` pixels
        are there as far as they are known without another pass over files.
        """
        names = {} if self.encoded is None else self.encoded.digest()
        return {**digests.of_labels(self.labels), **names, "decoded": digests.of_array(self.images)}

    def grey_levels(self) -> np.ndarray:
        """Counts of the grey levels in all images, see `normalization.grey_levels`."""
        images = self.images if self.good is None else self.images[self.good]
        return normalization_lib.grey_levels(images)

    def pixels(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every image once, in order, as a student in service would be given it.

        Yields:
          (`[B, H, W, C]` uint8, `[B]` int64 labels).
        """
        for start in range(0, len(self), batch_size):
            part = np.arange(start, min(start + batch_size, len(self)))
            part = part if self.good is None else part[self.good[part]]
            if len(part):
                yield self.images[part], self.labels[part]

    def batches(
        self,
        order: np.ndarray,
        batch_size: int,
        finish: Callable[..., Any],
        share: stream.Share | None = None,
    ) -> tf.data.Dataset:
        """Streams the images at `order`, in that order.

        Which batch an image belongs to does not depend on what could be decoded: a bad
        image leaves its batch smaller.

        Args:
          order: `[n]` integers.
          batch_size: images a batch, over all replicas.
          finish: maps images `[B, H, W, C]` uint8, labels `[B]` and indices `[B]`, both
            int64, to a batch.
          share: the parts of every batch that are produced, see `stream.batches`.

        Returns:
          `tf.data.Dataset` of what `finish` gives.

        Raises:
          BadImageError: when no image of a batch could be decoded for one of several
            replicas, which would wait for each other.
        """
        import tensorflow as tf

        from kdcl_tf.data import stream

        share = share or stream.Share()
        self._check_parts(order, batch_size, share)
        images, labels = self._tensors

        def examples(indices):
            if self.good is not None:
                indices = tf.boolean_mask(indices, tf.gather(self.good, indices))
            return finish(tf.gather(images, indices), tf.gather(labels, indices), indices)

        return stream.batches(order, batch_size, examples, share)

    def _check_parts(self, order, batch_size, share):
        if self.good is None or share.replicas == 1 or batch_size < 1:
            return
        for start, end in share.bounds(len(order), batch_size):
            part = order[start:end]
            if len(part) and not self.good[part].any():
                raise bad_images_lib.none_left(len(part), self.encoded.images.name(part[0]))


@dataclasses.dataclass(frozen=True, eq=False)
class ImageDataset:
    """An image classification data set, ready to train on.

    Its splits are `ImageSplit`s, decoded in memory, or `EncodedSplit`s, which decode images
    when they are needed.

    Attributes:
      name: what was asked of `load`.
      train: the images trained on; held-out ones are not among them.
      held_out: images kept from training, for KDCL-General; may be empty.
      test: the images that results are reported on.
      class_names: one name a class.
      normalization: of the images, for students that have none of their own.
      flip: whether views may mirror an image. `dataclasses.replace(dataset,
        flip=False)` turns it off.
      distortion: how views of these images are distorted, a name of `data.DISTORTIONS`.
      bad_images: whether images that cannot be decoded are left out, and which these are.
      notes: a line for each decision that the caller left to `load`.
      validation: images that are neither trained on nor tested on, by which an epoch may be
        chosen; None where there are none.
      told: which images are tested on, in words, where that was not plain, and what was passed
        over; else "".
    """

    name: str
    train: Any
    held_out: Any
    test: Any
    class_names: tuple[str, ...]
    normalization: normalization_lib.Normalization
    flip: bool
    distortion: str = "padded_crop"
    bad_images: bad_images_lib.BadImages = dataclasses.field(
        default_factory=bad_images_lib.BadImages
    )
    notes: tuple[str, ...] = ()
    validation: Any = None
    told: str = ""

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        return self.train.image_shape

    @property
    def resizing(self) -> str:
        """How evaluation makes an image of `image_shape` of one of another size, in words."""
        height, width, _ = self.image_shape
        margin = getattr(self.test, "margin", 1.0)
        scaled = f"{round(height * margin)} x {round(width * margin)}"
        text = f"scaled to {scaled} pixels, whatever its own shape"
        return text if margin == 1.0 else f"{text}, then cut to the central {height} x {width}"

    def batches(
        self,
        split: Any,
        batch_size: int,
        share: stream.Share | None = None,
        normalizations: Mapping[str, normalization_lib.Normalization] | None = None,
    ) -> tf.data.Dataset:
        """Every example of a split once, in order, without distortion.

        The result can be iterated again and again.

        Args:
          split: `dataset.test`, `.held_out` or `.train`; may be empty.
          batch_size: examples a batch; the last batch may be smaller.
          share: `data.Share`, the part of every batch that this process reads; None is all.
          normalizations: `{student: Normalization}`, where students have their own.

        Returns:
          `tf.data.Dataset` of (normalised images `[B, H, W, C]` float32, or such a tensor
          for each student by name where their normalisations differ; labels `[B]` int64),
          where B is None in the element spec.

        Raises:
          ValueError: when `batch_size` is not positive.
        """

        def finish(images, labels, _):
            wanted = set((normalizations or {"": self.normalization}).values())
            normalized = {each: each.apply(images) for each in wanted}
            if len(wanted) == 1:
                return normalized.popitem()[1], labels
            return {name: normalized[each] for name, each in normalizations.items()}, labels

        batches = split.batches(np.arange(len(split)), batch_size, finish, share)
        if self.bad_images.skip and (share is None or share.replicas == 1):
            # A batch of which nothing is left has no effect, and convolutions on CPUs fail on it.
            return batches.filter(bad_images_lib.any_left)
        return batches

    def problems(self) -> dict[str, int]:
        """Counts of images that could not be decoded so far, for a run's log."""
        return {"bad_images": len(self.bad_images)} if self.bad_images.skip else {}

    def left_out(self) -> dict[str, int]:
        """`{split: images}` that could not be decoded so far, of the splits that have any."""
        counts = {name: split.num_bad for name, split in self._splits().items()}
        return {name: count for name, count in counts.items() if count}

    def keep_bad_images(self, path: str | os.PathLike) -> None:
        """Keeps the list of the images that cannot be decoded in a file from now on.

        Those that the file lists drop out where they can be decoded now, or no split has them.

        Args:
          path: of the file, see `BadImages.keep_list`.

        Raises:
          DamageError: when it is not such a file.
        """
        self.bad_images.keep_list(path, self._outdated)

    def _outdated(self, names):
        """Those of some names whose images can be decoded, or that no image has."""
        bad = set()
        for split in self._splits().values():
            encoded = split.encoded if isinstance(split, ImageSplit) else split
            for index in range(len(split) if encoded and names else 0):
                name = encoded.images.name(index)
                if name in names and not split.is_good(index):
                    bad.add(name)
        return names - bad

    def _splits(self):
        splits = {"train": self.train, "held_out": self.held_out, "test": self.test}
        return splits if self.validation is None else {**splits, "validation": self.validation}

    def digest(self) -> dict[str, Any]:
        """What tells this data from other data, as JSON holds it, for the identity of a run.

        It does not depend on where images live, apart from what only one place knows.
        """
        digest = {
            "classes": list(self.class_names),
            "image_shape": [int(size) for size in self.image_shape],
            "normalization": self.normalization.as_card(),
            "train": self.train.digest(),
            "held_out": self.held_out.digest(),
            "test": self.test.digest(),
        }
        if self.validation is None:
            return digest
        return {**digest, "validation": self.validation.digest()}

    def summary(self) -> dict[str, Any]:
        """What a run should record of its data; `json.dumps` accepts it.

        Of the images that it counts, those of `left_out` could not be decoded.
        """
        left_out = self.left_out()
        return {
            "name": self.name,
            "distortion": self.distortion,
            "num_train": len(self.train),
            "num_held_out": len(self.held_out),
            "num_test": len(self.test),
            **({} if self.validation is None else {"num_validation": len(self.validation)}),
            "num_classes": self.num_classes,
            "image_shape": [int(size) for size in self.image_shape],
            **self.normalization.as_card(),
            "flip": self.flip,
            **self.problems(),
            **({"left_out": left_out} if left_out else {}),
        }
