"""Files and folders that are written whole: beside the old one, synced, and renamed into place.

A process that is killed, or a disk that is full, leaves what was there before.  A file takes
the place of another in one rename.  A folder cannot: the old one is renamed aside, the new one
into place, and only then is the old one removed.  A process killed between the two renames
leaves nothing under the final name; `recover` puts the old folder back, and so do `clean` and
the next write.

What a killed process has left is removed by the next write of the same name, and by `clean`.
Everything is written inside a temporary folder that is locked while its writer lives, so that
no other process removes it.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import pathlib
import re
import secrets
import shutil
import stat
from collections.abc import Iterator

from kdcl_tf.files.ending import undone

try:
    import fcntl
except ImportError:  # Windows has no such locks: there nothing that others left is removed.
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "check_writable",
    "clean",
    "recover",
    "remove",
    "replaced_file",
    "replaced_folder",
    "write_bytes",
    "write_text",
]

# Every temporary name: what it is, a token of its writer's own, and the final name.
_PARTIAL, _ASIDE = "partial", "aside"
_TEMPORARY = re.compile(rf"\.({_PARTIAL}|{_ASIDE})-[0-9a-f]{{8}}-(.+)", re.DOTALL)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file, or leaves the old one as it was.

    Raises:
      OSError: when it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file, or leaves the old one as it was.

    Raises:
      OSError: when it cannot be written.
    """
    with replaced_file(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a path to write to; what was written there becomes the file when the block ends.

    After an error the old file is as it was, and nothing is left beside it.

    Args:
      path: of the file, in a folder that is there.  The path to write to has its name, since
        some writers tell the format by it.

    Raises:
      OSError: when it cannot be written.
    """
    path = pathlib.Path(path)
    _clean(path.parent, path)
    with _partial(path) as folder:
        partial = folder / path.name
        yield partial
        _sync(partial)
        os.replace(partial, path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def replaced_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a new folder to fill; it becomes the folder when the block ends.

    After an error the old folder is as it was, and nothing is left beside it.  Two processes
    that write one folder at the same time are not foreseen: one of them gets an OSError.

    Args:
      path: of the folder; the one that it is in is made if need be.

    Raises:
      OSError: when it cannot be written.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clean(path.parent, path)
    with _partial(path) as partial:
        yield partial
        for folder, _, names in os.walk(partial, topdown=False):
            for path_of_file in (os.path.join(folder, name) for name in names):
                # Others, such as links, are no contents of this folder.
                if stat.S_ISREG(os.lstat(path_of_file).st_mode):
                    _sync_kept(path_of_file)
            _sync_folder(folder)
        _exchange(partial, path)


def remove(path: str | os.PathLike) -> None:
    """Removes a file or folder, of which no half is ever found under its name.

    Raises:
      OSError: when it cannot be renamed.  What cannot be removed after that is left to `clean`.
    """
    _discard(path, pathlib.Path(path))


def recover(folder: str | os.PathLike) -> None:
    """Puts back what a killed process renamed aside and never replaced, as far as permitted.

    Waits for a live process that is between its two renames.

    Args:
      folder: that of the names; it need not be there.
    """
    for kind, path, aside in _temporaries(folder):
        if kind == _ASIDE and not os.path.lexists(path):
            _put_back(aside, path)


def clean(folder: str | os.PathLike) -> None:
    """`recover`, and removes what killed processes have left in a folder.

    Args:
      folder: it need not be there.
    """
    _clean(folder)


def check_writable(folder: str | os.PathLike) -> None:
    """Raises OSError unless files can be made in a folder."""
    with _partial(pathlib.Path(folder) / "probe") as partial:
        (partial / "probe").touch()


def _exchange(partial, path):
    """Renames the new folder into place, and removes the old one after that."""
    if not os.path.lexists(path):
        os.rename(partial, path)
        _sync_folder(path.parent)
        return
    aside = _temporary(_ASIDE, path)
    # Tells `recover`, in another process, that the old one is not abandoned.
    with _locked(path):
        with undone(functools.partial(_rename_back, aside, path)):
            os.rename(path, aside)
            # The one moment in which nothing has the final name.
            os.rename(partial, path)
        _sync_folder(path.parent)
        _discard(aside, path)


def _rename_back(aside, path):
    """Gives what was renamed aside its final name again, unless another has it now."""
    if os.path.lexists(aside) and not os.path.lexists(path):
        os.rename(aside, path)


def _discard(path, final):
    """Removes what had a name that is found; half removed, it has one that is not."""
    doomed = _temporary(_PARTIAL, final)
    os.rename(path, doomed)
    _delete(doomed)


def _put_back(aside, path):
    with contextlib.suppress(OSError), _locked(aside):
        # The lock may have been waited for.
        _rename_back(aside, path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def _partial(path):
    """A new temporary folder, locked; whatever happens, nothing is left under its name."""
    partial, lock = _create(path)
    try:
        # Once it is renamed, there is nothing to delete.
        with undone(functools.partial(_delete, partial)):
            yield partial
    finally:
        _close(lock)


def _create(path):
    """`(path, lock)` of a new temporary folder."""
    while True:
        partial = _temporary(_PARTIAL, path)
        partial.mkdir()
        try:
            lock = _lock(partial)
        except (BlockingIOError, FileNotFoundError):
            continue  # Whoever cleans came between the two lines, and is removing it.
        if os.path.lexists(partial):
            return partial, lock
        _close(lock)


def _temporary(kind, path):
    return path.with_name(f".{kind}-{secrets.token_hex(4)}-{path.name}")


def _temporaries(folder):
    """`(kind, final path, path)` of all temporaries in a folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found:
            yield found[1], pathlib.Path(folder, found[2]), pathlib.Path(folder, name)


def _clean(folder, only=None):
    """`clean`, of the temporaries of one final path or of all."""
    for kind, path, temporary in _temporaries(folder):
        if only not in (None, path):
            continue
        if kind == _ASIDE:
            _put_back(temporary, path)
        with contextlib.suppress(OSError), _locked(temporary, wait=False) as lock:
            if lock is not None:
                _discard(temporary, path)


def _delete(path):
    """Deletes a file or folder as far as that is permitted."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _lock(path, wait=False):
    """The descriptor of a folder that is now locked; None where folders have no locks.

    Raises:
      BlockingIOError: when a live process has the lock.
      FileNotFoundError: when there is no such folder.
    """
    if fcntl is None:
        return None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return handle


@contextlib.contextmanager
def _locked(path, wait=True):
    """Holds what `_lock` gives."""
    lock = _lock(path, wait)
    try:
        yield lock
    finally:
        _close(lock)


def _close(lock):
    if lock is not None:
        os.close(lock)


def _sync(path):
    """Makes sure that a file's content outlives a loss of power."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_kept(path):
    """`_sync`, as far as permitted: a file of a user's may be one that nobody may write to."""
    with contextlib.suppress(PermissionError):
        _sync(path)


def _sync_folder(path):
    """Makes sure that the names in a folder outlive a loss of power, where that can be asked."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems know no such question for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
