"""Folders whose names TensorFlow would take for a pattern.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

from kdcl_tf.files.ending import temporary_folder

__all__ = ["literal_path"]

# `*` and `?` match themselves, too.
_SPECIAL = frozenset("[\\")


@contextlib.contextmanager
def literal_path(folder: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path by which TensorFlow finds what it reads in a folder, for as long as the block.

    TensorFlow looks for a checkpoint, also that of a SavedModel, by its path as a pattern, in which
    brackets and backslashes do not stand for themselves: it writes into `lr[0.1]`, and finds nothing
    there.  For such a folder the path is that of a link to it, in a temporary folder; for others,
    and for files, it is the path itself.
    """
    path = pathlib.Path(folder)
    if not (_SPECIAL & set(str(path.absolute())) and path.is_dir()):
        yield path
        return
    with temporary_folder() as temporary:
        link = temporary / "link"
        link.symlink_to(path.absolute())
        yield link
