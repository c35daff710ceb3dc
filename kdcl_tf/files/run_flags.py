"""`flags.txt`, in which a run's folder tells the flags that it was begun with."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from kdcl_tf.files.identity import FORMAT

__all__ = ["has_format", "read", "read_format", "text_of"]

# The first line, a comment for absl, which reads the file as a flagfile.
_FORMAT_LINE = "# format "


def text_of(flags: Mapping[str, str]) -> str:
    """The text of a `flags.txt` of this version's format, from `{name: text}`."""
    lines = [f"--{name}={value}\n" for name, value in flags.items()]
    return "".join([f"{_FORMAT_LINE}{FORMAT}\n", *lines])


def read(path: str | pathlib.Path) -> dict[str, str]:
    """`{name: text}` of a `flags.txt`, empty where there is none."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    flags = [line[2:].partition("=") for line in _lines(path) if line.startswith("--")]
    return {name: value for name, _, value in flags}


def read_format(path: str | pathlib.Path) -> int:
    """The format of the run that wrote a `flags.txt`; 1 where the file does not say.

    It says so in a comment before the first flag.
    """
    return _format_of(path) or 1


def has_format(path: str | pathlib.Path) -> bool:
    """Whether a `flags.txt` says of which format it is, as no file of another hand does."""
    return _format_of(path) is not None


def _format_of(path):
    for line in _lines(path):
        number = line.removeprefix(_FORMAT_LINE).strip()
        if line.startswith(_FORMAT_LINE) and number.isdecimal():
            return int(number)
        if line.strip() and not line.startswith("#"):
            break
    return None


def _lines(path):
    """The lines of a text, also of one that an editor for Windows has saved."""
    text = pathlib.Path(path).read_text(encoding="utf-8-sig", errors="replace")
    return [line.removesuffix("\r") for line in text.split("\n")]
