"""Flagfiles, checked before absl reads them: it takes any bytes for text."""

from __future__ import annotations

import codecs
import pathlib
from collections.abc import Iterator, Sequence

__all__ = ["check"]

# So many files may be included, and so deep: absl reads each as often as it is named.
_MOST, _DEEPEST = 200, 20

_MARKS = {
    codecs.BOM_UTF8: "starts with a byte order mark",
    codecs.BOM_UTF16_LE: "is UTF-16",
    codecs.BOM_UTF16_BE: "is UTF-16",
}


def check(arguments: Sequence[str]) -> None:
    """Reads the flagfiles that a command line names, and those that they name.

    Raises:
      ValueError: for one that is no UTF-8 text, is no file or includes itself, and for more
        than absl would read in a reasonable time.
      OSError: for one that cannot be read.
    """
    count = [0]
    for path in _named(arguments):
        _check_file(path, (), count)


def _named(arguments: Sequence[str]) -> Iterator[str]:
    """The paths of `--flagfile=PATH` and `--flagfile PATH`."""
    following = iter(arguments)
    for argument in following:
        if argument == "--":
            return
        name, equals, value = argument.strip().partition("=")
        if name in ("--flagfile", "-flagfile"):
            yield value.strip() if equals else next(following, "")


def _check_file(path, including, count):
    count[0] += 1
    if count[0] > _MOST or len(including) > _DEEPEST:
        raise ValueError(
            f"expected flagfiles that include at most {_MOST} others, {_DEEPEST} deep; got more, "
            f"the last {path}: put their flags into one"
        )
    text = _text(path)
    here = _expanded(path).resolve()
    if here in including:
        raise ValueError(f"flagfile {path} includes itself: remove that --flagfile from it")
    for inner in _named(text.splitlines()):
        _check_file(inner, (*including, here), count)


def _expanded(path):
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"flagfile {path} is in the home of an unknown user: write it out") from error


def _text(path):
    file = _expanded(path)
    if file.exists() and not file.is_file():
        raise ValueError(f"expected --flagfile to be a regular file; got {path}: save its flags in one")
    content = file.read_bytes()
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
