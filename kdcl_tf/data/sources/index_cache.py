"""What one pass over large files has found, kept so that it need not be made again."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kdcl_tf import files

# A file that was written by another version of the code is not found.
_FORMAT = 1


def folder() -> pathlib.Path:
    """`$KDCL_CACHE_DIR`, or `kdcl_tf` in `$XDG_CACHE_HOME`, which is `~/.cache` by default."""
    ours = os.environ.get("KDCL_CACHE_DIR")
    if ours:
        return pathlib.Path(ours).expanduser()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "kdcl_tf"


def cached(
    paths: Sequence[str],
    facts: Sequence[str],
    build: Callable[[], Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """What `build` gives, from the cache where it is there.

    It is there while every file has the name, the size and the time of change that
    it had. Where the cache cannot be written to, that is said and nothing else.

    Args:
      paths: of the files that `build` reads.
      facts: what else decides the result.
      build: gives arrays by name, none of Python objects.

    Raises:
      OSError: when a file is not there; and what `build` raises.
    """
    path = folder() / f"index-{_digest(paths, facts)}.npz"
    try:
        with np.load(path) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # Not there, or damaged: it is made again.
    arrays = dict(build())
    try:
        _write(path, arrays)
    except OSError as error:
        print(
            f"the index of {len(paths)} files is not kept: '{path.parent}' cannot be written to"
            f" ({error.strerror}); set KDCL_CACHE_DIR to a folder that can",
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


def _write(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Workers that start together may all write it: each has a file of its own until the end.
    with files.replaced_file(path) as partial:
        np.savez(partial, **arrays)
