"""Images in memory, encoded or not."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import digests, stream
from kdcl_tf.data.storage.files import Files
from kdcl_tf.data.storage.records import TFRecords

__all__ = ["Bytes", "Numbered", "Pixels", "held"]


@dataclasses.dataclass(frozen=True, eq=False)
class Bytes:
    """Encoded images in memory.

    Attributes:
      contents: `[N]` string tensor on the host; empty where an image could not be read.
      origin: what they were read from.
    """

    contents: tf.Tensor
    origin: Files | TFRecords

    def __len__(self) -> int:
        return len(self.contents)

    def take(self, indices: Any) -> Bytes:
        """The images at `indices`, an array or a slice; their bytes are copied."""
        numbers = np.arange(len(self))[indices]
        with tf.device("CPU:0"):
            return Bytes(tf.gather(self.contents, numbers), self.origin.take(indices))

    def name(self, index: int) -> str:
        """The name by which a person finds the image where it came from."""
        return self.origin.name(index)

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when it could not be read where it came from, and still cannot.
        """
        return self.contents[index].numpy() or self.origin.read(index)

    def digest(self) -> dict[str, str]:
        """Of their names and their bytes."""
        return {**self.origin.digest(), "bytes": digests.of_parts(self.contents.numpy().tolist())}

    def size(self, most: int) -> int:
        """Bytes of all images."""
        del most  # They are known.
        return int(tf.reduce_sum(tf.cast(tf.strings.length(self.contents), tf.int64)))

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        return self.contents[index]


@dataclasses.dataclass(frozen=True, eq=False)
class Pixels:
    """Images in memory that have no encoded form; they are encoded as PNG when read.

    Attributes:
      pixels: `[N, H, W, C]` uint8.
      origin: their names.
    """

    pixels: np.ndarray
    origin: Numbered

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Any) -> Pixels:
        """The images at `indices`, an array or a slice."""
        return Pixels(self.pixels[indices], self.origin.take(indices))

    def name(self, index: int) -> str:
        """The name by which a person finds the image."""
        return self.origin.name(index)

    def read(self, index: int) -> bytes:
        """One image as PNG."""
        with tf.device("CPU:0"):
            return tf.io.encode_png(self.pixels[index]).numpy()

    def digest(self) -> dict[str, str]:
        """Of their pixels."""
        return {"pixels": digests.of_parts([np.ascontiguousarray(self.pixels).tobytes()])}

    def size(self, most: int) -> int:
        """Bytes of all images, which as PNG are hardly more."""
        del most  # They are known.
        return self.pixels.nbytes

    @functools.cached_property
    def _pixels(self):
        return stream.on_host(self.pixels)

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The image at a scalar index as PNG, in a graph."""
        return tf.io.encode_png(self._pixels[index])


@dataclasses.dataclass(frozen=True, eq=False)
class Numbered:
    """The names of images that have no file or record of their own: `digits#3`.

    Attributes:
      prefix: what they are part of.
      numbers: `[N]`, their positions in it.
    """

    prefix: str
    numbers: np.ndarray

    def take(self, indices: Any) -> Numbered:
        """The names at `indices`, an array or a slice."""
        return Numbered(self.prefix, self.numbers[indices])

    def name(self, index: int) -> str:
        """The name by which a person finds the image."""
        return f"{self.prefix}#{self.numbers[index]}"


def held(images: Files | TFRecords | Bytes | Pixels) -> Bytes | Pixels:
    """The same images, with their bytes in memory."""
    if isinstance(images, (Bytes, Pixels)):
        return images
    # The list is freed as soon as the tensor has its copy.
    contents = list(images.read_all())
    with tf.device("CPU:0"):
        return Bytes(tf.constant(contents, tf.string, [len(contents)]), images)
