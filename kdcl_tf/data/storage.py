"""Where encoded images lie, on disk or in memory, and how the bytes of each are read.

All classes of images here have the same interface: `len`, `take(indices)`, `name(index)`,
`read(index)` eagerly and `content(index)` in a graph, `size(most)`, and `digest()`, the SHA-256 of
what is known of the images, by name. Names are escaped (`kdcl_tf.escaping`), so that each is one
line and no two are the same.
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

from kdcl_tf import escaping
from kdcl_tf.data import stream
from kdcl_tf.data.formats import rules as rules_lib

# A TFRecord is its length in 8 bytes, a checksum of that in 4, the data, a
# checksum of them in 4.
RECORD_HEADER, RECORD_FOOTER = 12, 4

# Hashes of records are below this, so that they are int64.
HASHES = 1 << 62

_READ_AT_ONCE = 1024

_MOST_BYTES = rules_lib.ImageRules().max_bytes


class ChangedError(OSError):
    """A file is not what it was when it was indexed; the message is one line and names it."""


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

    def take(self, indices: Any) -> Files:
        """The images at `indices`, an array or a slice."""
        return dataclasses.replace(self, names=self.names[indices])

    def name(self, index: int) -> str:
        """The name by which a person finds the image: its path in `root`, escaped."""
        return escaping.escaped(self._name(index))

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

    def digest(self) -> dict[str, str]:
        """Of their names."""
        return {"names": _sha256(self.names.tolist())}

    def size(self, most: int) -> int:
        """Bytes of all images, counted until they are more than `most`."""
        total = 0
        for index in range(len(self)):
            try:
                total += os.stat(self._path(index)).st_size
            except OSError:
                continue  # It is reported when it is read.
            if total > most:
                break
        return total

    def identity(self) -> tuple[list[str], list[Any]]:
        """(paths of all files, what else identifies these images)."""
        return [self._path(index) for index in range(len(self))], []

    def _name(self, index):
        return os.fsdecode(bytes(self.names[index]))

    def _path(self, index):
        return os.path.join(self.root, self._name(index))

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
class TFRecords:
    """Images in TFRecord files, a `tf.train.Example` each.

    Attributes:
      files: paths of the files.
      key: the feature of an example that is the encoded image.
      file_numbers: `[N]` int32, the file of each image, a position in `files`.
      record_numbers: `[N]` int32, the position of each image in its file.
      starts: `[N]` int64, the first byte of each example in its file.
      lengths: `[N]` int64, the bytes of each example.
      hashes: `[N]` int64, `hashes_of` each example when the files were indexed. What is read
        is compared with it, since files can be written anew under their old names, sizes and
        times: labels, which come from the index, would then belong to other images.
      max_bytes: the largest example that is read.
    """

    files: Sequence[str]
    key: str
    file_numbers: np.ndarray
    record_numbers: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    max_bytes: int = _MOST_BYTES

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, indices: Any) -> TFRecords:
        """The images at `indices`, an array or a slice."""
        columns = ("file_numbers", "record_numbers", "starts", "lengths", "hashes")
        return dataclasses.replace(self, **{name: getattr(self, name)[indices] for name in columns})

    def name(self, index: int) -> str:
        """The name by which a person finds the image: its file's, escaped, and its number there."""
        file = escaping.escaped(os.path.basename(self.files[self.file_numbers[index]]))
        return f"{file}#{self.record_numbers[index]}"

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when the file is gone or shorter than it was, or the example too large.
          ChangedError: when the record is another than when the file was indexed.
        """
        record = self._record(index)
        with tf.device("CPU:0"):
            self._check([record], [index])
            return tf.io.parse_single_example(record, self._features)[self.key].numpy()

    def read_all(self) -> Iterator[bytes]:
        """The bytes of every image, in order; none of those that cannot be read.

        Raises:
          ChangedError: when a record is another than when its file was indexed.
        """
        optional = {self.key: tf.io.FixedLenFeature([], tf.string, "")}
        for start in range(0, len(self), _READ_AT_ONCE):
            indices = range(start, min(start + _READ_AT_ONCE, len(self)))
            records = [self._record_or_nothing(index) for index in indices]
            with tf.device("CPU:0"):
                self._check(records, indices)
                yield from tf.io.parse_example(records, optional)[self.key].numpy()

    def digest(self) -> dict[str, str]:
        """Of their names, and of the hashes of all records."""
        files = [os.path.basename(self.files[number]) for number in range(len(self.files))]
        names = [os.fsencode(files[number]) for number in self.file_numbers]
        return {
            "names": _sha256([*names, self.record_numbers.tobytes()]),
            "records": _sha256([self.hashes.tobytes()]),
        }

    def size(self, most: int) -> int:
        """Bytes of all examples."""
        del most  # They are known.
        return int(self.lengths.sum())

    def identity(self) -> tuple[list[str], list[Any]]:
        """(paths of all files, what else identifies these images)."""
        chosen = hashlib.sha256(self.file_numbers.tobytes() + self.record_numbers.tobytes())
        return list(self.files), [self.key, chosen.hexdigest()]

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        record = tf.ensure_shape(tf.numpy_function(self._record, [index], tf.string), [])
        # `read` has the words for it: whoever meets this error asks there for the reason.
        same = tf.debugging.assert_equal(hashes_of(record), self._hashes[index])
        with tf.control_dependencies([same]):
            record = tf.identity(record)
        return tf.io.parse_single_example(record, self._features)[self.key]

    @functools.cached_property
    def _hashes(self):
        return stream.on_host(self.hashes)

    def _check(self, records, indices):
        """Raises ChangedError at the first record, of those read, whose hash is another."""
        read = np.array([bool(record) for record in records])
        changed = read & (hashes_of(records).numpy() != self.hashes[np.asarray(indices)])
        for index in np.asarray(indices)[changed]:
            path = self.files[self.file_numbers[index]]
            raise ChangedError(
                f"TFRecord file '{escaping.escaped(path)}': expected the records that"
                f" it had when it was indexed; got another record"
                f" {self.record_numbers[index]}: the file was changed under its old time of change."
                " Set the time to now (touch), so that it is indexed again"
            )

    @property
    def _features(self):
        return {self.key: tf.io.FixedLenFeature([], tf.string)}

    def _record_or_nothing(self, index):
        try:
            return self._record(index)
        except OSError:
            return b""

    def _record(self, index) -> bytes:
        """Opens and closes the file: ImageNet has more files than a process may keep open."""
        path = self.files[self.file_numbers[index]]
        _check_bytes(self.lengths[index], self.max_bytes)
        file = os.open(path, os.O_RDONLY)
        try:
            content = os.pread(file, self.lengths[index], self.starts[index])
        finally:
            os.close(file)
        if len(content) != self.lengths[index]:
            raise OSError(
                f"{escaping.escaped(path)} ends early: expected {self.lengths[index]} bytes; got"
                f" {len(content)}"
            )
        return content


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
        return {**self.origin.digest(), "bytes": _sha256(self.contents.numpy().tolist())}

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
        return {"pixels": _sha256([np.ascontiguousarray(self.pixels).tobytes()])}

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


def hashes_of(records: Any) -> tf.Tensor:
    """Hashes of serialised records, the same ones at every time and place.

    Args:
      records: strings of any shape.

    Returns:
      int64 of that shape, in 0..`HASHES` - 1.
    """
    return tf.strings.to_hash_bucket_fast(records, HASHES)


def _sha256(parts):
    """Of a list of bytes, told apart by their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def limited(
    images: Files | TFRecords | Bytes | Pixels, max_bytes: int
) -> Files | TFRecords | Bytes | Pixels:
    """The same images, of which larger ones than `max_bytes` are not read from disk."""
    if isinstance(images, (Files, TFRecords)):
        return dataclasses.replace(images, max_bytes=max_bytes)
    return images


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        raise OSError(rules_lib.too_many_bytes(size, most))


def held(images: Files | TFRecords | Bytes | Pixels) -> Bytes | Pixels:
    """The same images, with their bytes in memory."""
    if isinstance(images, (Bytes, Pixels)):
        return images
    # The list is freed as soon as the tensor has its copy.
    contents = list(images.read_all())
    with tf.device("CPU:0"):
        return Bytes(tf.constant(contents, tf.string, [len(contents)]), images)
