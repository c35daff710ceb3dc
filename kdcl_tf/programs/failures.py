"""What ends a program early, told in one line: whatever it is, and in whatever phase.

What was foreseen has words of its own.  Anything else is a defect, whose traceback is kept in a
file that the line names.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from absl import flags

from kdcl_tf import files
from kdcl_tf.files.escaping import escaped
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training.interruption import SIGNALS

__all__ = [
    "Stopped",
    "fail",
    "foreseen",
    "handled_by",
    "in_one_line",
    "keep_tracebacks_in",
    "stopped_by_signals",
]

_ARGUMENT = re.compile(r"\bpass ([a-z_]+)=(\w+)")
# With the blanks around it; runs of other blanks stay, which names may have.
_LINE_BREAK = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large", re.IGNORECASE)
_NO_TEMPORARY = "No usable temporary directory"
_TRACEBACK = "error.txt"
_NO_FLAG_NEEDS_LESS = "end other programs, or use a machine with more"

# Where the traceback of a defect is written; a list, so that it can be set.
_folder: list[pathlib.Path] = []
# The signal that asked the program to end, if any.
_asked: list[int] = []


class Stopped(BaseException):
    """A signal came in a phase that has nothing to save, and that can be left by an exception.

    Args:
      number: the signal.
    """

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_status = 128 + number


def keep_tracebacks_in(folder: str | os.PathLike) -> None:
    """Names the folder in which the traceback of a defect is kept, as `error.txt`."""
    _folder[:] = [pathlib.Path(folder)]


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Ends the program, with one line, at the first signal that asks it to end.

    `Stopped` is raised in the main thread, until TensorFlow is imported.  From then on, the
    process ends at once, after `files.abandon`: what a handler raises while C++ calls Python, or
    while an object is freed, may be lost, be printed as an error of C++, abort the process, or
    leave a lock behind that its end waits for.  In a block of `files.unwinding` it is raised all
    the same.

    The second signal ends the process as the system does.  A signal that is ignored, as `nohup`
    has it, stays so.
    """
    # The standard error of libraries is held back at times, and Python's with it.
    terminal = os.dup(2)

    def stop(number, _):
        _asked[:] = [number]
        signal.signal(number, signal.SIG_DFL)
        stopped = Stopped(number)
        if "tensorflow" in sys.modules and not files.unwinds():
            _end_at_once(stopped, terminal)
        raise stopped

    try:
        with handled_by(stop):
            yield
    finally:
        os.close(terminal)


def _end_at_once(stopped, terminal):
    """Undoes what was begun, tells it in a line, and ends the process without any block's end."""
    files.abandon()
    # It refuses where the signal met it at work.
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(terminal, f"{_line(_told(stopped))}\n".encode())
    os._exit(stopped.exit_status)


@contextlib.contextmanager
def handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Gives the signals to a handler, but for those that are ignored, as `nohup` has them."""
    before = {}
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Ends the program with one line, whatever error the block raises."""
    _asked.clear()
    try:
        yield
    except Stopped as stop:
        _fail_stopped(stop)
    except Exception as error:  # pylint: disable=broad-exception-caught
        # An import of C++ turns what a signal raises inside it into an ImportError.
        if _asked:
            _fail_stopped(Stopped(_asked[0]))
        fail(foreseen(error) or _defect(error))
    if _asked:
        # C++ that calls Python may also lose what a signal raises inside it.
        _fail_stopped(Stopped(_asked[0]))


def _fail_stopped(stop):
    fail(_told(stop), stop.exit_status)


def _told(stop):
    return f"{stop}; nothing is half-written: the same command starts or continues"


def foreseen(error: BaseException) -> str:
    """What an error means that any phase may meet; "" for a defect."""
    if isinstance(error, DamageError):
        return str(error)
    if _is_full(error):
        return (
            f"the disk is full, or its limit is reached ({_first_line(error)}): free some space; "
            "what was saved before is whole, and the same command goes on from it"
        )
    if isinstance(error, FileNotFoundError) and _NO_TEMPORARY in str(error):
        return (
            f"no folder for temporary files can be written to ({_first_line(error)}): free some "
            "space there, or set TMPDIR to a folder that can be"
        )
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "a path begins with ~ and a user whose home is unknown: write the path out"
    if isinstance(error, (FileExistsError, NotADirectoryError)) and error.filename is not None:
        return f"expected a folder; got {_name_in(error)}, where a file is in the way"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{_name_in(error)}: {error.strerror}"
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return f"memory is full ({_first_line(error)}): {_less_memory()}"
    return ""


def _name_in(error):
    """The name of the file that the system refused, escaped; it may be a number of an open one."""
    name = error.filename
    return escaped(str(name) if isinstance(name, int) else os.fsdecode(name))


def _less_memory():
    """What to do about it, by the flags that the program has and reads."""
    given = flags.FLAGS
    if "mode" in given and given["mode"].value != "train":
        return _NO_FLAG_NEEDS_LESS
    if "accumulation_steps" in given:
        # A run that is begun has its numbers for good.
        return "pass a smaller --batch_size, or more --accumulation_steps, to a new --workdir"
    return "pass a smaller --batch_size" if "batch_size" in given else _NO_FLAG_NEEDS_LESS


def _is_full(error):
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or bool(_FULL.search(str(error)))


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _defect(error: BaseException) -> str:
    """Keeps the traceback; says where."""
    text = getattr(error, "notices", "") + "".join(traceback.format_exception(error))
    place = "its traceback could not be written"
    for find in (*[_in_workdir] * len(_folder), _in_temporary_folder):
        with contextlib.suppress(OSError):
            path = find()
            if path.parent.is_dir():
                files.write_text(path, text)
                place = f"its traceback is in {escaped(str(path))}"
                break
    return f"unexpected {type(error).__name__}: {_first_line(error)}; {place}"


def _in_workdir():
    return _folder[0] / _TRACEBACK


def _in_temporary_folder():
    """Asked for only where it is needed: finding it writes a file, and fails where none can be."""
    return pathlib.Path(tempfile.gettempdir(), f"{_program()}-{os.getpid()}-{_TRACEBACK}")


def _program():
    return os.path.basename(sys.argv[0]).removesuffix(".py")


def fail(message: str, status: int = 1) -> NoReturn:
    """Prints one line and exits.

    Where a library's message says `pass name=value` of an argument, the line names the flag.

    Frees the exception's frames first: they may hold a stream of images, which at the end of
    the interpreter waits for its thread, while that thread may wait for the interpreter.
    """
    message = _ARGUMENT.sub(_as_flag, message)
    error = sys.exc_info()[1]
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
    print(_line(message), file=sys.stderr)
    sys.exit(status)


def _line(message):
    return f"{_program()}: {_LINE_BREAK.sub(' ', message.strip())}"


def _as_flag(argument):
    """`pass --name` or `pass --name=value`."""
    name, value = argument.groups()
    return f"pass --{name}" if value == "True" else f"pass --{name}={value}"
