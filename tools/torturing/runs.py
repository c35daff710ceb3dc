"""Real short runs of the programs, each in a process of its own that costs no start.

The process that calls `start` has imported TensorFlow and computed nothing; each run is a fork of
it, so that hundreds of runs do not wait for hundreds of imports.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent import futures

_PROGRAM = "import sys; sys.argv[0] = 'kdcl-train'; from kdcl_tf import train; train.cli()"
TIMEOUT = 180.0
# Has a process print where each of its threads is.
_TELL = signal.SIGUSR1


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
      status: its exit status, negative for a signal; None for one that had to be killed.
      stdout, stderr: what it printed.
      seconds: how long it took.
    """

    status: int | None
    stdout: str
    stderr: str
    seconds: float


class Started:
    """A process of a program that has begun.

    Args:
      door: the module of kdcl_tf that has the program.
      command: its flags.
      before: called in the new process before the program begins.
      close_stdout: whether nobody reads what it prints.
    """

    def __init__(
        self,
        door: str,
        command: Sequence[str],
        before: Callable[[], None] = lambda: None,
        close_stdout: bool = False,
    ):
        self._outputs = [tempfile.TemporaryFile() for _ in range(2)]
        self._began = time.monotonic()
        self._process = os.fork()
        if not self._process:
            _as_program(door, command, self._outputs, before, close_stdout)

    def wait(self, meanwhile: Callable[[int, float], None] = lambda *_: None) -> Ended:
        """Waits for its end.

        Args:
          meanwhile: called again and again, with the process and the seconds since it began.
        """
        status, ended = _wait(self._process, self._began, meanwhile)
        texts = []
        for output in self._outputs:
            output.seek(0)
            texts.append(output.read().decode(errors="replace"))
            output.close()
        return Ended(status, *texts, ended - self._began)


def run_pair(
    command: Sequence[str], meanwhile: Sequence[Callable[[int, float], None]]
) -> list[Ended]:
    """Runs two workers of one run on this machine to their ends, the chief first.

    Args:
      command: flags of both.
      meanwhile: as in `Started.wait`, for each.
    """
    ports = _free_ports(2)
    started = [_Worker(command, ports, index) for index in range(2)]
    with futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(Started.wait, started, meanwhile))


class _Worker(Started):
    """One of the workers at some ports; no fork, which gRPC's threads would not outlive."""

    def __init__(self, command, ports, index):
        self._outputs = [tempfile.TemporaryFile() for _ in range(2)]
        self._began = time.monotonic()
        workers = [f"localhost:{port}" for port in ports]
        task = {"type": "worker", "index": index}
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *command, "--strategy=multi_worker"],
            stdout=self._outputs[0],
            stderr=self._outputs[1],
            env={
                **os.environ,
                "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task}),
            },
        )
        self._process = self._popen.pid


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def preload() -> None:
    """Imports all that a run imports, and computes nothing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras_cv  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

    import kdcl_tf.classification.task
    import kdcl_tf.detection.task
    import kdcl_tf.evaluation.preparing
    import kdcl_tf.training.session  # noqa: F401

    for door in ("train", "detect", "export", "evaluate"):
        importlib.import_module(f"kdcl_tf.{door}")


def _as_program(door, command, outputs, before, close_stdout):
    """Never returns."""
    status = 70
    try:
        os.setsid()
        # What `nohup` and a shell's background ignore, a run of a person's does not.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for number, output in enumerate(outputs, start=1):
            os.dup2(output.fileno(), number)
        # Where it is told what a run was at that did not end; the run itself may redirect 2.
        faulthandler.register(_TELL, file=outputs[1], all_threads=True)
        if close_stdout:
            reader, writer = os.pipe()
            os.close(reader)
            os.dup2(writer, 1)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        sys.argv = [f"kdcl-{door}", *command]
        before()
        importlib.import_module(f"kdcl_tf.{door}").cli()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _wait(process, began, meanwhile):
    """(exit status, when it ended)."""
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        now = time.monotonic()
        if ended:
            return os.waitstatus_to_exitcode(status), now
        if now - began > TIMEOUT:
            os.kill(process, _TELL)
            time.sleep(1.0)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None, now
        meanwhile(process, now - began)
        time.sleep(0.002)
