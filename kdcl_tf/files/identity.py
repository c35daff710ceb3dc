"""What makes a run this run and no other, and checksums that tell whether what it wrote is whole.

An *identity* has the run's settings, a digest of its data, the format of what it writes, and the
versions of the packages that computed it.  It stands in every checkpoint, in `result.json` and in
every export.  Settings, data and format must not change when a run is continued; versions may.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kdcl_tf.files import spelling

__all__ = [
    "COMPOSED",
    "FORMAT",
    "FOR_PEOPLE",
    "README",
    "README_BESIDE",
    "DamageError",
    "Identity",
    "checksums",
    "checksums_at",
    "checksums_of",
    "damage",
    "data_changes",
    "digest_of",
    "have_same_names",
    "is_sealed",
    "sealed",
    "telling",
    "version_changes",
    "versions",
]

# Of a run's folder: checkpoints, flags and how its numbers are made.  It goes up when a run that
# was begun before could not go on as the same run.  1 had no number written anywhere, 2 no
# identity.
FORMAT = 3

_CHECKSUM = "checksum"
README = "README.md"
# What ours is called beside one that its user has changed.
README_BESIDE = "README.kdcl.md"
# They are for people, who may add to them: no program reads them.
FOR_PEOPLE = (README, README_BESIDE)
# Of the names of a split's images: as their files are called and, where that is not the same, in
# Unicode's NFC, which does not depend on the file system.
_NAMES, COMPOSED = "names", "composed_names"
_DIGEST = re.compile("[0-9a-f]{16,64}")

# The longest list that a message shows.
_MOST_TOLD = 12


class DamageError(ValueError):
    """A file is not what kdcl_tf wrote; the message names it and says what to do."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """The identity of a run.

    Attributes:
      settings: `{flag: text}`.
      data: a JSON-able digest of the data set: names, labels and classes, never paths, so that
        data may move.
      format: of what the run writes.
      versions: `{package: version}`.
    """

    settings: Mapping[str, str]
    data: Mapping[str, Any]
    format: int = FORMAT
    versions: Mapping[str, str] = dataclasses.field(default_factory=lambda: versions())

    @property
    def facts(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        return dataclasses.asdict(self)


def versions() -> dict[str, str]:
    """`{name: version}` of this package, of what it is built on, and of Python."""
    import keras
    import tensorflow as tf

    import kdcl_tf

    return {
        "kdcl_tf": kdcl_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }


def version_changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Which packages had another version before, in words; "" for none."""
    return ", ".join(
        f"{name} {before[name]} (now {version})"
        for name, version in now.items()
        if before.get(name, version) != version
    )


def data_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two digests of data, in words; "" where nothing does.

    What only one of them knows, such as the pixels of images that were in memory once and are
    on disk now, is not compared.
    """
    first = ("classes", "train", "held_out", "test", "validation")
    changes = [
        change
        for name in first
        if name in before and name in now
        for change in _changes(name, before[name], now[name])
    ]
    # What was measured on the images differs whenever they do.
    rest = [{name: facts[name] for name in facts if name not in first} for facts in (before, now)]
    return "; ".join(changes or _changes("", *rest))


def telling(split: Mapping[str, Any]) -> dict[str, Any]:
    """What of the digest of a split tells its images: their number and labels are alike in many."""
    return {key: value for key, value in split.items() if key not in ("images", "labels")}


def have_same_names(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two digests of a split tell images of the same names, however these are spelled."""
    first, second = (
        [facts[key] for key in (_NAMES, COMPOSED) if key in facts] for facts in (before, now)
    )
    return any(each in second for each in first)


def _changes(where: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        if before.get("images") != now.get("images"):
            # The rest of such a split differs, too, and tells nothing more.
            yield f"{where} has {now.get('images')} images; the run had {before.get('images')}"
            return
        known = (COMPOSED, *[_NAMES] * have_same_names(before, now))
        for name in before:
            if name in now and name not in known:
                yield from _changes(f"{where} {name}".strip(), before[name], now[name])
    elif where == "classes" and isinstance(before, list) and isinstance(now, list):
        yield from _class_changes(before, now)
    elif before != now:
        is_digest = isinstance(before, str) and bool(_DIGEST.fullmatch(before))
        is_long = isinstance(before, list) and len(before) > _MOST_TOLD
        told = "differ" if is_digest or is_long else f"are {now!r}; the run had {before!r}"
        yield f"{where} {told}"


def _class_changes(before, now):
    # Older runs have names in the spelling of their files.
    before, now = map(spelling.composed_all, (before, now))
    known, found = set(before), set(now)
    gone = [name for name in before if name not in found]
    new = [name for name in now if name not in known]
    for names, told in ((gone, "are gone"), (new, "are new")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"classes {', '.join(map(repr, names[:3]))}{more} {told}"
    if before != now and not gone and not new:
        yield "the classes have another order"


def digest_of(facts: Any) -> str:
    """The SHA-256 of JSON-able facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


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
    return digest_of({**facts, _CHECKSUM: None})


def checksums(folder: str | os.PathLike, leave_out: str = "") -> dict[str, str]:
    """`{path in the folder: SHA-256}` of every file in a folder.

    Hidden files and folders, whose names begin with a dot, are left out: file managers and
    notebooks write their own there.

    Args:
      folder: read through.
      leave_out: a path in it that does not count, such as that of the checksums.
    """
    folder = pathlib.Path(folder)
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.as_posix(): _file_digest(folder / path)
        for path in paths
        if path.as_posix() != leave_out and not any(part.startswith(".") for part in path.parts)
    }


def checksums_of(paths: Iterable[pathlib.Path]) -> dict[str, str]:
    """`{name: SHA-256}` of some files."""
    return checksums_at({path.name: path for path in paths})


def checksums_at(places: Mapping[str, pathlib.Path]) -> dict[str, str]:
    """`{name: SHA-256}` of the files at `{name: path}`."""
    return {name: _file_digest(path) for name, path in places.items()}


def damage(folder: str | os.PathLike, expected: Mapping[str, str]) -> str:
    """What is wrong with the files of a folder, in words, naming the first; "" for nothing.

    Args:
      folder: of the files.
      expected: as `checksums` returned.  What is for people, who may change it, is not compared.
    """
    for name, checksum in expected.items():
        if name in FOR_PEOPLE:
            continue
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
