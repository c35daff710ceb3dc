"""Files that a flag names to be written."""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.files.atomic import check_writable

__all__ = ["LONGEST_NAME", "check_folder", "named"]

# Room for what is put before a name while the file is written.
LONGEST_NAME = 230


def named(flag: str, value: str | None, beside: str = "") -> pathlib.Path | None:
    """Returns the path of a file that a flag names, or None if it names none.

    Args:
      flag: its name.
      value: the path.
      beside: what takes the place of the suffix in the longest name of what is written beside it.

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
    longest = max(path.name, f"{path.stem}{beside}" * bool(beside), key=_bytes_of)
    if _bytes_of(longest) > LONGEST_NAME:
        most = LONGEST_NAME - _bytes_of(longest) + _bytes_of(path.name)
        raise ValueError(
            f"expected --{flag} to have a name of at most {most} bytes; got {path.name}"
        )
    try:
        check_writable(path.parent)
    except OSError as error:
        raise ValueError(
            f"expected --{flag} to be in a folder that can be written to; got {value} "
            f"({error.strerror})"
        ) from error
    return path


def check_folder(flag: str, folder: pathlib.Path) -> None:
    """Refuses a folder that cannot be written to or made, before any work is done.

    Args:
      flag: that names it.
      folder: it, and those around it, need not be there; none is made.

    Raises:
      ValueError: naming it.
    """
    place = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    try:
        check_writable(place)
    except OSError as error:
        raise ValueError(
            f"expected --{flag} to be a folder that can be written to; got {folder} "
            f"({error.strerror})"
        ) from error


def _bytes_of(name):
    return len(os.fsencode(name))
