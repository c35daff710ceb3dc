r"""Names of files and classes as text on one line, and back.

A name may hold any byte that a file system allows: line breaks of every kind, tabs, bytes that
are not UTF-8. Escaped, it has none of them, no two names look the same, and `unescaped` gives
the name back. A line feed becomes `\n`, a backslash `\\`, U+2028 `\u2028`, and the byte FF,
which is not UTF-8, `\xff`.

Every listing, log and message that shows a name uses this rule. Importing this module imports
nothing but the standard library.
"""

from __future__ import annotations

import re

__all__ = ["escaped", "fields", "is_plain", "line", "unescaped"]

# Controls, the separators of lines and paragraphs, and surrogates, which are bytes that are not
# UTF-8 (`os.fsdecode`) or halves of a character.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")
_ESCAPE = re.compile(r"\\(?:([\\ntr])|x([0-9a-f]{2})|u([0-9a-f]{4})|)")

_SHORT = {"\\": "\\", "\n": "n", "\t": "t", "\r": "r"}
_LONG = {letter: character for character, letter in _SHORT.items()}

# Python holds the byte N of a name that is not UTF-8 as this plus N.
_BYTES = 0xDC00


def escaped(name: str) -> str:
    """A name as text without line breaks, controls and surrogates, so that it can be written."""
    return _UNSAFE.sub(_escape, name)


def unescaped(text: str) -> str:
    """The name that `escaped` has made this text of.

    Raises:
      ValueError: when it has made it of none.
    """
    return _ESCAPE.sub(_unescape, text)


def is_plain(name: str) -> bool:
    """Whether a name is its own escaped text, but for backslashes."""
    return not _UNSAFE.search(name.replace("\\", ""))


def line(*names: str) -> str:
    """Names with tabs between them and a line break at the end, for a listing."""
    return "\t".join(map(escaped, names)) + "\n"


def fields(text: str) -> list[str]:
    """The names that `line` has made a line of, with its line break or without.

    Raises:
      ValueError: when it has made it of none.
    """
    return [unescaped(field) for field in text.removesuffix("\n").split("\t")]


def _escape(match):
    character = match[0]
    if character in _SHORT:
        return f"\\{_SHORT[character]}"
    code = ord(character)
    if _BYTES + 0x80 <= code <= _BYTES + 0xFF:
        return f"\\x{code - _BYTES:02x}"
    return f"\\u{code:04x}"


def _unescape(match):
    letter, byte, code = match.groups()
    if letter:
        return _LONG[letter]
    if byte:
        return chr(_BYTES + int(byte, 16))
    if code:
        return chr(int(code, 16))
    raise ValueError(f"expected an escaped name; got a lone backslash in {match.string!r}")
