"""Images that cannot be decoded: the first one stops a run, or all are counted and listed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sys
import threading
from typing import Any

from kdcl_tf import files

# How the error looks after it has gone through a stream: its class and its line, among
# the stream's own words.
_IN_A_STREAM = re.compile(r"BadImageError: (.*)")


class BadImageError(ValueError):
    """An image that cannot be decoded; the message is one line and names it."""


class BadImages:
    """What a data set does about bad images, and those that it has met.

    Attributes:
      skip: whether to pass over them; otherwise the first is an error.
      found: `{name: line}` of those met so far.
    """

    def __init__(self, skip: bool = False):
        self.skip = skip
        self.found = {}
        self._path = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.found)

    def keep_list(self, path: str | os.PathLike) -> None:
        """Writes those met, from now on, to a file, and goes on with what is in it.

        A line each: name, class and reason, between tabs.
        """
        with self._lock:
            self._path = pathlib.Path(path)
            if self._path.exists():
                lines = self._path.read_text(encoding="utf-8").splitlines()
                self.found = {line.split("\t")[0]: line for line in lines} | self.found
            self._write()

    def report(self, name: str, class_name: str, reason: str) -> None:
        """Counts an image, once however often it is met.

        Raises:
          BadImageError: unless bad images are skipped.
        """
        told = f"image '{name}' of class '{class_name}' cannot be decoded: {reason}"
        if not self.skip:
            raise BadImageError(f"{told}; pass skip_bad_images=True to leave out such images")
        with self._lock:
            if name in self.found:
                return
            self.found[name] = f"{name}\t{class_name}\t{reason}"
            self._write()
        print(f"skipped: {told}", file=sys.stderr)

    def _write(self):
        if self._path and self.found:
            files.write_text(self._path, "".join(f"{line}\n" for line in self.found.values()))


def none_left(count: int, name: str) -> BadImageError:
    """The error of a batch of which one of several replicas has no image left.

    Args:
      count: images of the batch that the replica should have had.
      name: of one of them.
    """
    return BadImageError(
        f"all {count} images of a batch cannot be decoded, among them '{name}': expected one that"
        " can for every device; mend or remove them, or train on one device"
    )


def any_left(_, labels) -> Any:
    """Whether anything is left of a batch of (images, labels): what to `filter` a stream by."""
    import tensorflow as tf

    return tf.size(labels) > 0


@contextlib.contextmanager
def told_in_one_line():
    """Finds the `BadImageError` in the error that a stream makes of it.

    Raises:
      BadImageError: in the place of that error.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        found = _IN_A_STREAM.search(str(error))
        if not found:
            raise
        raise BadImageError(found.group(1)) from error
