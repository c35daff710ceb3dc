"""Files that a flag names to be written."""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.files.atomic import check_writable

__all__ = ["named"]

# Room for what is put before a name while the file is written.
_LONGEST_NAME = 230


def named(flag: str, value: str | None) -> pathlib.Path | None:
    """Returns the path of a file that a flag names, or None if it names none.

    Raises:
      ValueError: when it is a folder, or in one that is not there, before any work is done.
    """
    if not value:
        return None
    path = pathlib.Path(value).expanduser()
    if not path.parent.is_dir():
        raise ValueError(
            f"expected --{flag} to be in a folder that exists; got {value}: make {path.parent}"
        )
    if path.is_dir():
        raise ValueError(f"expected --{flag} to name a file; got the folder {value}")
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise ValueError(
            f"expected --{flag} to have a name of at most {_LONGEST_NAME} bytes; got {path.name}"
        )
    try:
        check_writable(path.parent)
    except OSError as error:
        raise ValueError(
            f"expected --{flag} to be in a folder that can be written to; got {value} "
            f"({error.strerror})"
        ) from error
    return path
