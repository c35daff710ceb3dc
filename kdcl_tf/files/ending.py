"""What a process undoes when a signal ends it at once, without leaving its blocks.

The handlers are in `kdcl_tf.programs.failures`.  Importing this module imports nothing but the
standard library.
"""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Iterator

__all__ = ["abandon", "temporary_folder", "undone", "unwinding", "unwinds"]

# What is to be undone in this process, the newest last.
_begun: list[Callable[[], object]] = []
# An entry for each block that is left by an exception when a signal comes.
_unwinding: list[None] = []


@contextlib.contextmanager
def undone(undo: Callable[[], object]) -> Iterator[None]:
    """Calls a function when the block is left, or when the process is ended within it.

    Args:
      undo: a function that may be called at any moment of the block.
    """
    _begun.append(undo)
    try:
        yield
    finally:
        _begun.remove(undo)
        undo()


@contextlib.contextmanager
def temporary_folder(prefix: str = "kdcl_") -> Iterator[pathlib.Path]:
    """Gives an empty folder that is deleted when the block is left or the process is ended."""
    folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    with undone(folder.cleanup):
        yield pathlib.Path(folder.name)


def abandon() -> None:
    """Undoes what this process has begun, the newest first, as far as that is permitted."""
    for undo in reversed(tuple(_begun)):
        # Whatever one of them meets, the others are still called.
        with contextlib.suppress(Exception):
            undo()


@contextlib.contextmanager
def unwinding() -> Iterator[None]:
    """Has a signal raise an exception in the block, for a library that then cleans up itself."""
    _unwinding.append(None)
    try:
        yield
    finally:
        _unwinding.pop()


def unwinds() -> bool:
    """Whether the process is in an `unwinding` block."""
    return bool(_unwinding)
