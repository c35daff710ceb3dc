"""Images that cannot be decoded: the first one ends a run, or all are skipped and listed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sys
import threading
from collections.abc import Callable, Iterator, Set, Sized
from typing import Any

import numpy as np

from kdcl_tf import files
from kdcl_tf.files.identity import DamageError

# A stream wraps a Python error in its own message; this finds the error's line in it.
_IN_A_STREAM = re.compile(r"BadImageError: (.*)")


class BadImageError(ValueError):
    """An image that cannot be decoded; the message is one line and names it."""


class BadImages:
    """The bad images of a data set: skips and lists them, or refuses the first.

    Attributes:
      skip: whether bad images are skipped; otherwise the first is an error.
      found: `{name: line}` of those found so far.
    """

    def __init__(self, skip: bool = False):
        self.skip = skip
        self.found: dict[str, str] = {}
        self._path: pathlib.Path | None = None
        # Names that all workers have.
        self._shared: set[str] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.found)

    def keep_list(
        self,
        path: str | os.PathLike,
        outdated: Callable[[Set[str]], Set[str]] = lambda names: frozenset(),
    ) -> None:
        """Keeps `found` in a file from now on; bad images that the file lists are found already.

        The file has one line for each image: name, class and reason, separated by tabs.

        Args:
          path: of the file.
          outdated: a function of the names that the file lists, which gives those of images that
            can be decoded now, or are no longer there.

        Raises:
          DamageError: when it is not such a file.
        """
        with self._lock:
            self._path = pathlib.Path(path)
            if self._path.exists():
                listed = {line.split("\t")[0]: line for line in _lines(self._path)}
                for name in outdated(listed.keys()) - self.found.keys():
                    del listed[name]
                self.found = listed | self.found
                if not self.found:
                    self._path.unlink()
            self._write()

    def report(self, name: str, class_name: str, reason: str) -> None:
        """Counts a bad image, once however often it is reported.

        Raises:
          BadImageError: unless bad images are skipped.
        """
        if not self.skip:
            told = _told(name, class_name, reason)
            raise BadImageError(f"{told}; pass skip_bad_images=True to leave out such images")
        self._add({name: f"{name}\t{class_name}\t{reason}"})

    def share(self, from_all: Callable[[bytes], list[bytes]]) -> None:
        """Makes what each worker has found known to all, of which each reads its own images.

        Args:
          from_all: gives the bytes of every worker; it is called by all of them at once.
        """
        with self._lock:
            own = [line for name, line in self.found.items() if name not in self._shared]
        received = b"".join(from_all("".join(f"{line}\n" for line in own).encode()))
        lines = received.decode().split("\n")[:-1]
        found = {line.split("\t")[0]: line for line in lines}
        self._add(found)
        self._shared |= found.keys()

    def _add(self, found):
        """Takes up those that are new, and tells of them."""
        with self._lock:
            new = {name: line for name, line in found.items() if name not in self.found}
            if not new:
                return
            self.found |= new
            self._write()
        for line in new.values():
            name, class_name, reason = line.split("\t", 2)
            print(f"skipped: {_told(name, class_name, reason)}", file=sys.stderr)

    def _write(self):
        if self._path and self.found:
            files.write_text(self._path, "".join(f"{line}\n" for line in self.found.values()))


def _told(name, class_name, reason):
    return f"image '{name}' of class '{class_name}' cannot be decoded: {reason}"


def _lines(path):
    try:
        lines = path.read_bytes().decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        lines, reason = [""], error
    else:
        reason = "a line has not a name, a class and a reason"
    if any(line.count("\t") < 2 for line in lines):
        raise DamageError(f"{path} is damaged ({reason}): delete the file, and it is written again")
    return lines


def none_left(count: int, name: str) -> BadImageError:
    """The error for a batch in which a replica's images are all bad.

    Args:
      count: how many images of the batch the replica has.
      name: the name of one of them.
    """
    return BadImageError(
        f"expected an image that can be decoded for every device in each batch; got {count} that"
        f" cannot, among them '{name}'; repair or remove them, or train on one device"
    )


def check_any(count: int, split: Sized, kind: str = "images") -> None:
    """Raises BadImageError when none of a split's images was given, as all were skipped.

    Args:
      count: of those that were given.
      split: with its bad images.
      kind: what the split has, for the message.
    """
    if not count:
        raise BadImageError(
            f"expected {kind} that can be decoded; got none among {len(split):,}: mend them, or "
            "give others"
        )


def check_left(split: Any, kind: str) -> None:
    """Raises BadImageError when no image of a split can be decoded; looks no further than the first.

    Args:
      split: `ImageSplit` or `EncodedSplit`; one without images passes.
      kind: as for `check_any`.
    """
    if len(split) and not any(map(split.is_good, range(len(split)))):
        check_any(0, split, kind)


def classes_of_bad_images(split: Any) -> list[int]:
    """The labels that a split has, of which no image can be decoded.

    Of images that stay encoded, one of each class is decoded for it, or those before the first
    good one.

    Args:
      split: `ImageSplit` or `EncodedSplit`.
    """
    order = np.argsort(split.labels, kind="stable")
    labels, starts = np.unique(split.labels[order], return_index=True)
    groups = np.split(order, starts[1:])
    return [
        int(label) for label, group in zip(labels, groups) if not any(map(split.is_good, group))
    ]


def any_left(_, labels) -> Any:
    """Whether a batch of (images, labels) has any image; for a stream's `filter`."""
    import tensorflow as tf

    return tf.size(labels) > 0


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turns a stream's error that wraps a `BadImageError` back into that.

    Raises:
      BadImageError: in one line, in place of the stream's error.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        found = _IN_A_STREAM.search(str(error))
        if not found:
            raise
        raise BadImageError(found.group(1)) from error
