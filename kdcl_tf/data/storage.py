"""Where encoded images lie, on disk or in memory, and how the bytes of any one are read.

All classes here have the same manners: `len`, `take(indices)`, `name(index)`, `read(index)`
eagerly and `content(index)` in a graph, `size(most)`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import stream
from kdcl_tf.data.formats import rules as rules_lib

# A TFRecord is its length in 8 bytes, a checksum of that in 4, the data, a
# checksum of them in 4.
RECORD_HEADER, RECORD_FOOTER = 12, 4

_READ_AT_ONCE = 1024

_MOST_BYTES = rules_lib.ImageRules().max_bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Images in a file each.

    Attributes:
      root: the folder they are in.
      names: `[N]` bytes, their paths in it.
      max_bytes: the largest file that is read.
    """

    root: str
    names: np.ndarray
    max_bytes: int = _MOST_BYTES

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices) -> Files:
        """The images at `indices`, an array or a slice."""
        return dataclasses.replace(self, names=self.names[indices])

    def name(self, index: int) -> str:
        """What a person finds the image by: its path in `root`."""
        return os.fsdecode(bytes(self.names[index]))

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when the file is gone or too large.
        """
        with open(self._path(index), "rb") as file:
            _check_bytes(os.fstat(file.fileno()).st_size, self.max_bytes)
            return file.read()

    def read_all(self) -> Iterator[bytes]:
        """The bytes of every image, in order; none of those that cannot be read."""
        with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(self), _READ_AT_ONCE):
                yield from pool.map(
                    self._read_or_nothing, range(start, min(start + _READ_AT_ONCE, len(self)))
                )

    def size(self, most: int) -> int:
        """Bytes of all images, counted until they are more than `most`."""
        total = 0
        for index in range(len(self)):
            try:
                total += os.stat(self._path(index)).st_size
            except OSError:
                continue  # Whoever reads it tells.
            if total > most:
                break
        return total

    def identity(self) -> tuple[list[str], list[Any]]:
        """(paths of all files, what else tells these images from others)."""
        return [self._path(index) for index in range(len(self))], []

    def _path(self, index):
        return os.path.join(self.root, self.name(index))

    def _read_or_nothing(self, index):
        try:
            return self.read(index)
        except OSError:
            return b""

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        path = tf.numpy_function(self._checked_path, [index], tf.string)
        return tf.io.read_file(tf.ensure_shape(path, []))

    def _checked_path(self, index):
        """The path, as bytes, of a file that is not too large to be read."""
        path = os.path.join(os.fsencode(self.root), bytes(self.names[index]))
        # Of one that is gone `read_file` tells.
        with contextlib.suppress(FileNotFoundError):
            _check_bytes(os.stat(path).st_size, self.max_bytes)
        return path


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Images in TFRecord files, a `tf.train.Example` each.

    Attributes:
      files: paths of the files.
      key: the feature of an example that is the encoded image.
      file_numbers: `[N]` int32, the file of each image, a position in `files`.
      record_numbers: `[N]` int32, the position of each image in its file.
      starts: `[N]` int64, the first byte of each example in its file.
      lengths: `[N]` int64, the bytes of each example.
      max_bytes: the largest example that is read.
    """

    files: Sequence[str]
    key: str
    file_numbers: np.ndarray
    record_numbers: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    max_bytes: int = _MOST_BYTES

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, indices) -> Records:
        """The images at `indices`, an array or a slice."""
        columns = ("file_numbers", "record_numbers", "starts", "lengths")
        return dataclasses.replace(self, **{name: getattr(self, name)[indices] for name in columns})

    def name(self, index: int) -> str:
        """What a person finds the image by: its file's name and its number there, from 0."""
        file = os.path.basename(self.files[self.file_numbers[index]])
        return f"{file}#{self.record_numbers[index]}"

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when the file is gone or shorter than it was, or the example too large.
        """
        return tf.io.parse_single_example(self._record(index), self._features)[self.key].numpy()

    def read_all(self) -> Iterator[bytes]:
        """The bytes of every image, in order; none of those that cannot be read."""
        optional = {self.key: tf.io.FixedLenFeature([], tf.string, "")}
        for start in range(0, len(self), _READ_AT_ONCE):
            indices = range(start, min(start + _READ_AT_ONCE, len(self)))
            records = [self._record_or_nothing(index) for index in indices]
            with tf.device("CPU:0"):
                yield from tf.io.parse_example(records, optional)[self.key].numpy()

    def size(self, most: int) -> int:
        """Bytes of all examples."""
        del most  # They are known.
        return int(self.lengths.sum())

    def identity(self) -> tuple[list[str], list[Any]]:
        """(paths of all files, what else tells these images from others)."""
        chosen = hashlib.sha256(self.file_numbers.tobytes() + self.record_numbers.tobytes())
        return list(self.files), [self.key, chosen.hexdigest()]

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        record = tf.numpy_function(self._record, [index], tf.string)
        return tf.io.parse_single_example(tf.ensure_shape(record, []), self._features)[self.key]

    @property
    def _features(self):
        return {self.key: tf.io.FixedLenFeature([], tf.string)}

    def _record_or_nothing(self, index):
        try:
            return self._record(index)
        except OSError:
            return b""

    def _record(self, index) -> bytes:
        """Opens and closes: kept open, the files of ImageNet are more than a process may have."""
        path = self.files[self.file_numbers[index]]
        _check_bytes(self.lengths[index], self.max_bytes)
        file = os.open(path, os.O_RDONLY)
        try:
            content = os.pread(file, self.lengths[index], self.starts[index])
        finally:
            os.close(file)
        if len(content) != self.lengths[index]:
            raise OSError(f"{path} ends early: got {len(content)} of {self.lengths[index]} bytes")
        return content


@dataclasses.dataclass(frozen=True, eq=False)
class Bytes:
    """Encoded images in memory.

    Attributes:
      contents: `[N]` string tensor on the host; empty where an image could not be read.
      origin: what they were read from.
    """

    contents: tf.Tensor
    origin: Files | Records

    def __len__(self) -> int:
        return len(self.contents)

    def take(self, indices) -> Bytes:
        """The images at `indices`, an array or a slice; their bytes are copied."""
        numbers = np.arange(len(self))[indices]
        with tf.device("CPU:0"):
            return Bytes(tf.gather(self.contents, numbers), self.origin.take(indices))

    def name(self, index: int) -> str:
        """What a person finds the image by, where it came from."""
        return self.origin.name(index)

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when it could not be read where it came from, and still cannot.
        """
        return self.contents[index].numpy() or self.origin.read(index)

    def size(self, most: int) -> int:
        """Bytes of all images."""
        del most  # They are known.
        return int(tf.reduce_sum(tf.cast(tf.strings.length(self.contents), tf.int64)))

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        return self.contents[index]


@dataclasses.dataclass(frozen=True, eq=False)
class Pixels:
    """Images in memory that never had an encoded form: they get one, as PNG, when asked.

    Attributes:
      pixels: `[N, H, W, C]` uint8.
      origin: their names.
    """

    pixels: np.ndarray
    origin: Numbered

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices) -> Pixels:
        """The images at `indices`, an array or a slice."""
        return Pixels(self.pixels[indices], self.origin.take(indices))

    def name(self, index: int) -> str:
        """What a person finds the image by."""
        return self.origin.name(index)

    def read(self, index: int) -> bytes:
        """One image as PNG."""
        with tf.device("CPU:0"):
            return tf.io.encode_png(self.pixels[index]).numpy()

    def size(self, most: int) -> int:
        """Bytes of all images, of which PNG makes no more than a few."""
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
    """The names of images that no single file or record holds: `digits#3`.

    Attributes:
      prefix: what they are part of.
      numbers: `[N]`, their positions in it.
    """

    prefix: str
    numbers: np.ndarray

    def take(self, indices) -> Numbered:
        """The names at `indices`, an array or a slice."""
        return Numbered(self.prefix, self.numbers[indices])

    def name(self, index: int) -> str:
        """What a person finds the image by."""
        return f"{self.prefix}#{self.numbers[index]}"


def limited(
    images: Files | Records | Bytes | Pixels, max_bytes: int
) -> Files | Records | Bytes | Pixels:
    """The same images, of which larger ones than `max_bytes` are not read from disk."""
    if isinstance(images, (Files, Records)):
        return dataclasses.replace(images, max_bytes=max_bytes)
    return images


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        raise OSError(rules_lib.too_many_bytes(size, most))


def held(images: Files | Records | Bytes | Pixels) -> Bytes | Pixels:
    """The same images, with their bytes in memory."""
    if isinstance(images, (Bytes, Pixels)):
        return images
    # The list is let go of when the tensor has its copy.
    contents = list(images.read_all())
    with tf.device("CPU:0"):
        return Bytes(tf.constant(contents, tf.string, [len(contents)]), images)
