"""The format of what is written, and checksums that tell whether it is still what was written.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

__all__ = ["FORMAT", "DamageError", "checksums", "damage", "is_sealed", "sealed"]

# Of a run's folder: checkpoints, flags and how its numbers are made.  It goes up when a run that
# was begun before could not go on as the same run.  1 had no number written anywhere.
FORMAT = 2

_CHECKSUM = "checksum"


class DamageError(ValueError):
    """A file is not what kdcl_tf wrote; the message names it and says what to do."""


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able facts with a checksum of themselves, see `is_sealed`."""
    whole = json.loads(json.dumps({**facts, _CHECKSUM: None}))
    return {**whole, _CHECKSUM: _digest(whole)}


def is_sealed(facts: Any) -> bool:
    """Whether facts read from JSON are those that were sealed, none changed."""
    if not isinstance(facts, dict) or not isinstance(facts.get(_CHECKSUM), str):
        return False
    return facts[_CHECKSUM] == _digest(facts)


def _digest(facts):
    text = json.dumps({**facts, _CHECKSUM: None}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def checksums(folder: str | os.PathLike, leave_out: str = "") -> dict[str, str]:
    """`{path in the folder: SHA-256}` of every file in a folder.

    Args:
      folder: read through.
      leave_out: a path in it that does not count, such as that of the checksums.
    """
    folder = pathlib.Path(folder)
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.as_posix(): _file_digest(folder / path)
        for path in paths
        if path.as_posix() != leave_out
    }


def damage(folder: str | os.PathLike, expected: Mapping[str, str]) -> str:
    """What is wrong with the files of a folder, in words, naming the first; "" for nothing.

    Args:
      folder: of the files.
      expected: as `checksums` returned.
    """
    for name, checksum in expected.items():
        try:
            if _file_digest(pathlib.Path(folder, name)) != checksum:
                return f"{name} is not what was written"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
    return ""


def _file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
