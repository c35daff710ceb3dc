"""Real short runs of `kdcl-train`, each in a process of its own that costs no start.

The process that calls `start` has imported TensorFlow and computed nothing; each run is a fork of
it, so that hundreds of runs do not wait for hundreds of imports.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent import futures

import numpy as np
from PIL import Image

EPOCHS, STEPS = 3, 4
_PROGRAM = "import sys; sys.argv[0] = 'kdcl-train'; from kdcl_tf import train; train.cli()"
TIMEOUT = 180.0


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


def write_images(folder: pathlib.Path) -> None:
    """Three classes of small PNG photographs of noise, 10 to train on and 4 to test on each."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 4)):
        for number, name in enumerate(("ape", "bee", "cow")):
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 200, [8, 8, 3]) + 25 * number
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{index}.png")


def arguments(images: pathlib.Path, workdir: pathlib.Path, *more: str) -> list[str]:
    """The command line of a run of `EPOCHS` epochs of `STEPS` steps, each of them saved."""
    return [
        f"--dataset=folder:{images}",
        f"--workdir={workdir}",
        "--students=resnet8,wrn_10_1",
        "--ensemble=general",
        "--holdout_per_class=2",
        "--batch_size=6",
        f"--epochs={EPOCHS}",
        "--milestones=2",
        "--checkpoint_seconds=0",
        *more,
    ]


class Started:
    """A process of `kdcl-train` that has begun.

    Args:
      command: its flags.
      before: called in the new process before the program begins.
      close_stdout: whether nobody reads what it prints.
    """

    def __init__(
        self,
        command: Sequence[str],
        before: Callable[[], None] = lambda: None,
        close_stdout: bool = False,
    ):
        self._outputs = [tempfile.TemporaryFile() for _ in range(2)]
        self._began = time.monotonic()
        self._process = os.fork()
        if not self._process:
            _as_program(command, self._outputs, before, close_stdout)

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


def facts(workdir: pathlib.Path) -> tuple[list, dict] | None:
    """What a complete run computed: its log without times, and every variable; None without."""
    import tensorflow as tf

    from kdcl_tf.training import manifests

    if not (workdir / "result.json").exists():
        return None
    times = ("seconds", "images_per_second")
    records = map(json.loads, (workdir / "log.jsonl").read_text().splitlines())
    log = [{name: each[name] for name in each if name not in times} for each in records]
    newest, _ = manifests.newest(workdir / "checkpoints")
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "VALUE" in name]
    return log, {name: reader.get_tensor(name).tobytes() for name in names}


def damaged_exports(workdir: pathlib.Path) -> list[str]:
    """What is wrong with the exported students of a run, in words."""
    from kdcl_tf.files import identity
    from kdcl_tf.serving import exported

    found = []
    for path in exported.students_of(workdir):
        facts = json.loads((path / "student.json").read_text())
        found.append("" if identity.is_sealed(facts) else f"the card of {path.name}")
        found.append(identity.damage(path, facts["checksums"]))
    return [each for each in found if each] + ([] if len(found) == 4 else ["students missing"])


def are_near(found: tuple[list, dict] | None, expected: tuple[list, dict]) -> bool:
    """Whether two runs of `facts` had the same epochs and steps, and nearly the same losses."""
    if found is None or len(found[0]) != len(expected[0]):
        return False
    return all(
        (one["epoch"], one["step"]) == (other["epoch"], other["step"])
        and abs(one["loss"] - other["loss"]) <= 0.05 * abs(other["loss"])
        for one, other in zip(found[0], expected[0])
    )


def preload() -> None:
    """Imports all that a run imports, and computes nothing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras_cv  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

    import kdcl_tf.classification.task
    import kdcl_tf.train
    import kdcl_tf.training.session  # noqa: F401


def _as_program(command, outputs, before, close_stdout):
    """Never returns."""
    status = 70
    try:
        os.setsid()
        # What `nohup` and a shell's background ignore, a run of a person's does not.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for number, output in enumerate(outputs, start=1):
            os.dup2(output.fileno(), number)
        if close_stdout:
            reader, writer = os.pipe()
            os.close(reader)
            os.dup2(writer, 1)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        sys.argv = ["kdcl-train", *command]
        before()
        from kdcl_tf import train

        train.cli()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(status)


def _wait(process, began, meanwhile):
    """(exit status, when it ended)."""
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        now = time.monotonic()
        if ended:
            return os.waitstatus_to_exitcode(status), now
        if now - began > TIMEOUT:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None, now
        meanwhile(process, now - began)
        time.sleep(0.002)
