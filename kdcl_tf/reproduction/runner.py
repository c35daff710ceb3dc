"""Runs `kdcl-train` for one run after another, each in a process of its own."""

from __future__ import annotations

import ctypes
import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from kdcl_tf.reproduction.plan import Run
from kdcl_tf.training.workdir import Workdir

# Settings that may differ: the path of a teacher does when a folder of runs was moved.
_FREE = ("teacher",)


class RunFailed(Exception):
    """Some runs failed. The message says in one line which, and why."""


class Runner:
    """Completes the runs that are not complete yet, and reports its progress.

    If a process is killed, its run can be continued: `kdcl-train` starts again from the last
    checkpoint.

    Args:
      runs: the runs, in the order to run them.
      arguments: further flags for every run, such as `--data_dir`.
      say: a function that shows one line of text.
      look: a function without arguments that is called about once a second while a run trains.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        arguments: Sequence[str] = (),
        say: Callable[[str], object] = print,
        look: Callable[[], object] = lambda: None,
    ):
        self._runs, self._arguments, self._say, self._look = runs, tuple(arguments), say, look

    def run(self) -> None:
        """Completes all runs, and goes on to the next if one fails after training began.

        Raises:
          RunFailed: before the first run, if a complete run was made with other flags, since
            one table must not mix them; at once, if a run cannot even begin to train, such as
            without its data, since the others could not either; after the last run, if some
            failed.
        """
        self._check_complete()
        failures = []
        for number, run in enumerate(self._runs, start=1):
            head = f"[{number}/{len(self._runs)}] {run.row}, seed {run.seed}"
            if _is_complete(run):
                self._say(f"{head}: complete already, {summary(run.workdir)}")
                continue
            self._say(f"{head}: begins; what it prints is in {_output(run)}")
            began = time.monotonic()
            failure = self._train(run)
            if failure and not (run.workdir / "log.jsonl").exists():
                raise RunFailed(failure)
            if failure:
                failures.append(failure)
                self._say(f"{head}: failed, {failure}")
                continue
            minutes = (time.monotonic() - began) / 60
            self._say(f"{head}: {summary(run.workdir)} in {minutes:.1f} min")
        if failures:
            raise RunFailed("; ".join(failures))

    def _check_complete(self):
        for run in filter(_is_complete, self._runs):
            try:
                Workdir(run.workdir).check(run.settings, _FREE)
            except ValueError as error:
                raise RunFailed(f"{run.row}, seed {run.seed}: {error}") from error

    def _train(self, run):
        """Trains one run; returns why it failed, or None."""
        run.workdir.mkdir(parents=True, exist_ok=True)
        output = _output(run)
        command = [sys.executable, "-m", "kdcl_tf.train", *run.arguments, *self._arguments]
        with output.open("a") as file:
            process = subprocess.Popen(
                [*command, f"--workdir={run.workdir}"],
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )
            status = _wait(process, self._look)
        if status:
            return f"{run.row}, seed {run.seed}: {_last_line(output)} (see {output})"
        return None


def _output(run):
    return run.workdir / "output.txt"


def _is_complete(run):
    return (run.workdir / "result.json").exists()


def summary(workdir: str | pathlib.Path) -> str:
    """The accuracy of each student of a complete run: `resnet20 45.12%, wrn_16_2 47.80%`."""
    result = json.loads((pathlib.Path(workdir) / "result.json").read_text())
    return ", ".join(
        f"{name} {student['accuracy']:.2%}" for name, student in result["students"].items()
    )


def _wait(process, look):
    """Waits for a process and returns its exit status; calls `look` every second.

    If this process is interrupted meanwhile, asks the other one to save and end.
    """
    try:
        while True:
            try:
                return process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                look()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _end_with_parent():
    """Lets Linux send this process SIGTERM when its parent dies, even by SIGKILL.

    Otherwise it would keep training in a folder that the next reproduction is to continue.
    """
    if sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def _last_line(path):
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
