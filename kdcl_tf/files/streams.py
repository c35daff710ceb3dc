"""The standard streams of a program: one that closes ends nothing, and libraries can be kept quiet.

What is printed after a stream has closed, as in `kdcl-train | head`, is lost; the program goes on.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

__all__ = ["keep_open", "lost_output", "quiet_reading", "without_libraries", "without_notices"]


class _Stream:
    """A text stream that goes on into the void when nobody reads it any more."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._leave(error)
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._leave(error)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def _leave(self, error):
        """Sends what the stream holds back, and all that comes, nowhere."""
        # A reader that has gone wanted no more; a full disk loses what was wanted.
        if error.errno not in (errno.EPIPE, errno.EIO):
            self.lost = error
        void = os.open(os.devnull, os.O_WRONLY)
        os.dup2(void, self._stream.fileno())
        os.close(void)


def keep_open() -> None:
    """Makes sure that there are standard streams, and that a broken one ends nothing.

    A reader that has gone, a lost terminal and a full disk behind a stream are all the same,
    but for what `lost_output` says at the end.  A character that the encoding of a stream does
    not have, such as one of a class name, is written as its escape.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed before the program began: files that it opens must not get the number.
            void = os.open(os.devnull, os.O_RDWR)
            if void != number:
                os.dup2(void, number)
                os.close(void)
            stream = os.fdopen(number, mode)
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        if mode == "w" and not isinstance(stream, _Stream):
            stream = _Stream(stream)
        setattr(sys, name, stream)


@contextlib.contextmanager
def without_libraries() -> Iterator[None]:
    """Drops what libraries print of damaged files, and Python's warnings; ours goes on.

    C libraries write to the process's stderr itself, from threads of their own.
    """
    sys.stderr.flush()
    ours, kept = sys.stderr, os.dup(2)
    void = os.open(os.devnull, os.O_WRONLY)
    if _is_of_process(ours):
        stream = os.fdopen(
            os.dup(kept), "w", buffering=1, encoding=ours.encoding, errors="backslashreplace"
        )
        sys.stderr = cast(TextIO, _Stream(stream))
    os.dup2(void, 2)
    os.close(void)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.stderr.flush()
        sys.stderr = ours
        os.dup2(kept, 2)
        os.close(kept)


def quiet_reading(dataset: str | None) -> contextlib.AbstractContextManager:
    """Drops what the decoders of a folder's images print of a damaged one; our line of it goes on.

    Other data sets may be downloaded, and then show their progress.
    """
    is_folder = (dataset or "").startswith("folder:")
    return without_libraries() if is_folder else contextlib.nullcontext()


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Holds back what C++ libraries print; an error that ends the block has it as `notices`."""
    with tempfile.TemporaryFile() as notices:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except Exception as error:
            notices.seek(0)
            # `failures` keeps them with the traceback, if it is a defect.
            error.notices = notices.read().decode(errors="replace")  # type: ignore[attr-defined]
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _is_of_process(stream):
    try:
        return stream.fileno() == 2
    except (OSError, ValueError):
        return False


def lost_output() -> OSError | None:
    """Why some of the standard output was lost, unless nobody read it; None where none was."""
    sys.stdout.flush()
    return getattr(sys.stdout, "lost", None)
