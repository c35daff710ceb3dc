"""Caches what a pass over large files has found, so that it is made only once."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kdcl_tf import files

# Part of a cached file's name, so that one of another format is not found.
_FORMAT = 2

# The array of a cached file that is the checksum of the others.
_CHECKSUM = "checksum"


def folder() -> pathlib.Path:
    """`$KDCL_CACHE_DIR`, or `kdcl_tf` in `$XDG_CACHE_HOME`, which is `~/.cache` by default.

    Raises:
      RuntimeError: where it is in the user's home, and that is unknown.
    """
    ours = os.environ.get("KDCL_CACHE_DIR")
    if ours:
        return pathlib.Path(ours).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "kdcl_tf"


def cached(
    paths: Sequence[str],
    facts: Sequence[str],
    build: Callable[[], Mapping[str, np.ndarray]],
    holds: Callable[[Mapping[str, np.ndarray]], bool] = lambda found: True,
) -> dict[str, np.ndarray]:
    """What `build` returns, from the cache where it is there.

    A cached result holds as long as every file keeps its name, size and time of change. It
    carries a checksum of itself: one that is damaged or altered is reported and built again.
    A cache that cannot be written to is reported, and is no error.

    Args:
      paths: the files that `build` reads.
      facts: what else the result depends on.
      build: returns arrays by name, none of Python objects or called `checksum`.
      holds: whether a cached result still holds, of what names, sizes and times do not tell, such
        as permissions; otherwise it is built again.

    Raises:
      OSError: when a file is not there; and what `build` raises.
    """
    digest, place = _digest(paths, facts), None
    try:
        place = folder()
    except RuntimeError:
        why = "no home of this user is known"
    path = place and place / f"index-{digest}.npz"
    found = path and _read(path, digest)
    if found and holds(found):
        return found
    arrays = dict(build())
    if path:
        try:
            _write(path, {**arrays, _CHECKSUM: _checksum(digest, arrays)})
            return arrays
        except OSError as error:
            why = f"'{place}' cannot be written to ({error.strerror})"
    print(
        f"the index of {len(paths)} files is not kept: {why}; set KDCL_CACHE_DIR to a folder that can "
        "be written to",
        file=sys.stderr,
    )
    return arrays


def _digest(paths, facts):
    states = [os.stat(path) for path in paths]
    key = [
        _FORMAT,
        list(facts),
        [
            (os.path.abspath(path), state.st_size, state.st_mtime_ns)
            for path, state in zip(paths, states)
        ],
    ]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]


def _read(path, digest):
    """The arrays of a cached file; None where there is none or, as is said then, it is damaged."""
    try:
        with np.load(path) as stored:
            arrays = dict(stored)
        if arrays.pop(_CHECKSUM).tobytes() == _checksum(digest, arrays).tobytes():
            return arrays
        reason = "its checksum is another"
    except FileNotFoundError:
        return None
    except Exception as error:  # Whatever zip files and NumPy may say of a damaged one.
        reason = " ".join(str(error).split()) or type(error).__name__
    print(f"the index '{path}' is damaged ({reason}): it is built again", file=sys.stderr)
    return None


def _checksum(digest, arrays):
    """`[32]` uint8: of the names, types, shapes and contents, and of what they were found in."""
    checksum = hashlib.sha256(digest.encode())
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        checksum.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        checksum.update(array)
    return np.frombuffer(checksum.digest(), np.uint8)


def _write(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Workers that start together may all write it: each has a file of its own until the end.
    with files.replaced_file(path) as partial:
        np.savez(partial, **arrays)
