"""Flagfiles, checked before absl reads them: it takes any bytes for text."""

from __future__ import annotations

import codecs
import pathlib
from collections.abc import Iterator, Sequence

__all__ = ["check"]

_MARKS = {
    codecs.BOM_UTF8: "starts with a byte order mark",
    codecs.BOM_UTF16_LE: "is UTF-16",
    codecs.BOM_UTF16_BE: "is UTF-16",
}


def check(arguments: Sequence[str]) -> None:
    """Reads the flagfiles that a command line names, and those that they name.

    Raises:
      ValueError: for one that is no UTF-8 text, or includes itself.
      OSError: for one that cannot be read.
    """
    for path in _named(arguments):
        _check_file(path, ())


def _named(arguments: Sequence[str]) -> Iterator[str]:
    """The paths of `--flagfile=PATH` and `--flagfile PATH`."""
    following = iter(arguments)
    for argument in following:
        if argument == "--":
            return
        name, equals, value = argument.strip().partition("=")
        if name in ("--flagfile", "-flagfile"):
            yield value.strip() if equals else next(following, "")


def _check_file(path, including):
    text = _text(path)
    here = pathlib.Path(path).expanduser().resolve()
    if here in including:
        raise ValueError(f"flagfile {path} includes itself: remove that --flagfile from it")
    for inner in _named(text.splitlines()):
        _check_file(inner, (*including, here))


def _text(path):
    content = pathlib.Path(path).expanduser().read_bytes()
    for mark, told in _MARKS.items():
        if content.startswith(mark):
            raise ValueError(f"flagfile {path} {told}: save it as UTF-8 without a mark")
    if b"\0" in content:
        raise ValueError(f"flagfile {path} is no text: expected UTF-8, a flag on each line")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"flagfile {path} is not UTF-8 (byte {error.start} is {content[error.start]:#04x}): "
            "save it as UTF-8"
        ) from error
