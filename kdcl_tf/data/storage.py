"""Where encoded images lie on disk, and how the bytes of any one of them are read."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.data import stream

# A TFRecord is its length in 8 bytes, a checksum of that in 4, the data, a
# checksum of them in 4.
RECORD_HEADER, RECORD_FOOTER = 12, 4


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Images in a file each.

    Attributes:
      root: the folder they are in.
      names: `[N]` bytes, their paths in it.
    """

    root: str
    names: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices) -> Files:
        """The images at `indices`, an array or a slice."""
        return Files(self.root, self.names[indices])

    def name(self, index: int) -> str:
        """What a person finds the image by: its path in `root`."""
        return os.fsdecode(bytes(self.names[index]))

    def read(self, index: int) -> bytes:
        """The bytes of one image.

        Raises:
          OSError: when the file is gone.
        """
        with open(os.path.join(self.root, self.name(index)), "rb") as file:
            return file.read()

    @functools.cached_property
    def _names(self):
        return stream.on_host(self.names)

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        root = os.fsencode(os.path.join(self.root, ""))
        return tf.io.read_file(tf.strings.join([root, self._names[index]]))


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
    """

    files: Sequence[str]
    key: str
    file_numbers: np.ndarray
    record_numbers: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

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
          OSError: when the file is gone, or shorter than it was.
        """
        return tf.io.parse_single_example(self._record(index), self._features)[self.key].numpy()

    def content(self, index: tf.Tensor) -> tf.Tensor:
        """The bytes of the image at a scalar index, as a scalar string, in a graph."""
        record = tf.numpy_function(self._record, [index], tf.string)
        return tf.io.parse_single_example(tf.ensure_shape(record, []), self._features)[self.key]

    @property
    def _features(self):
        return {self.key: tf.io.FixedLenFeature([], tf.string)}

    def _record(self, index) -> bytes:
        """Opens and closes: kept open, the files of ImageNet are more than a process may have."""
        path = self.files[self.file_numbers[index]]
        file = os.open(path, os.O_RDONLY)
        try:
            content = os.pread(file, self.lengths[index], self.starts[index])
        finally:
            os.close(file)
        if len(content) != self.lengths[index]:
            raise OSError(f"{path} ends early: got {len(content)} of {self.lengths[index]} bytes")
        return content
