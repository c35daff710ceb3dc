"""Images in a file each."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data import digests
from kdcl_tf.data.formats import rules as rules_lib
from kdcl_tf.files import escaping, spelling
from kdcl_tf.files.identity import COMPOSED

__all__ = ["Files"]

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
            rules_lib.check_bytes(os.fstat(file.fileno()).st_size, self.max_bytes)
            return file.read()

    def read_all(self) -> Iterator[bytes]:
        """The bytes of every image, in order; none of those that cannot be read."""
        count = os.cpu_count() or 1
        with futures.ThreadPoolExecutor(count) as pool:
            # A few ahead of who takes them, since together they may be larger than the memory.
            ahead = collections.deque()
            for index in range(len(self)):
                ahead.append(pool.submit(self._read_or_nothing, index))
                if len(ahead) > 2 * count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def digest(self) -> dict[str, str]:
        """Of their names, and of their composed forms (Unicode's NFC) where these are others.

        Which of the two a file system writes is its own choice, see `identity.data_changes`.
        """
        names = self.names.tolist()
        found, composed = {"names": digests.of_parts(names)}, [_composed(name) for name in names]
        return found if composed == names else {**found, COMPOSED: digests.of_parts(composed)}

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
            rules_lib.check_bytes(os.stat(path).st_size, self.max_bytes)
        return path


def _composed(name):
    if name.isascii():
        return name
    return os.fsencode(spelling.composed(os.fsdecode(name)))
