"""Images in TFRecord files."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import digests, stream
from kdcl_tf.data.formats import rules as rules_lib
from kdcl_tf.files import escaping

__all__ = ["HASHES", "RECORD_FOOTER", "RECORD_HEADER", "ChangedError", "TFRecords", "hashes_of"]

# A TFRecord is its length in 8 bytes, a checksum of that in 4, the data, a
# checksum of them in 4.
RECORD_HEADER, RECORD_FOOTER = 12, 4

# Hashes of records are below this, so that they are int64.
HASHES = 1 << 62

# Of what is read at once: records, and bytes, of which several copies are in memory.
_READ_AT_ONCE = 1024
_MOST_AT_ONCE = 64 * 2**20
_MOST_BYTES = rules_lib.ImageRules().max_bytes


class ChangedError(OSError):
    """A file is not what it was when it was indexed; the message is one line and names it."""


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
        """The name by which a person finds the image: its file's, escaped, and its number there.

        Where files in several folders are called the same, a file's name is its path in the folder
        that holds them all.
        """
        file = escaping.escaped(self._file_names[self.file_numbers[index]])
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
        for indices in self._chunks():
            records = [self._record_or_nothing(index) for index in indices]
            with tf.device("CPU:0"):
                self._check(records, indices)
                yield from tf.io.parse_example(records, optional)[self.key].numpy()

    def _chunks(self):
        """Ranges of records that are read at once: not many, and not many bytes."""
        ends = np.cumsum(self.lengths)
        start = 0
        while start < len(self):
            before = ends[start - 1] if start else 0
            # The first that is too much, if it is not alone.
            end = int(np.searchsorted(ends, before + _MOST_AT_ONCE, side="right"))
            end = min(max(end, start + 1), start + _READ_AT_ONCE)
            yield range(start, end)
            start = end

    def digest(self) -> dict[str, str]:
        """Of their names, and of the hashes of all records."""
        names = [os.fsencode(self._file_names[number]) for number in self.file_numbers]
        return {
            "names": digests.of_parts([*names, self.record_numbers.tobytes()]),
            "records": digests.of_parts([self.hashes.tobytes()]),
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
    def _file_names(self):
        names = [os.path.basename(file) for file in self.files]
        if len({*names}) == len(names):
            return names
        root = os.path.commonpath([os.path.dirname(file) for file in self.files])
        return [os.path.relpath(file, root) for file in self.files]

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
        rules_lib.check_bytes(self.lengths[index], self.max_bytes)
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


def hashes_of(records: Any) -> tf.Tensor:
    """Hashes of serialised records, the same ones at every time and place.

    Args:
      records: strings of any shape.

    Returns:
      int64 of that shape, in 0..`HASHES` - 1.
    """
    return tf.strings.to_hash_bucket_fast(records, HASHES)
