"""Runs `kdcl-train` for run after run, each in a process of its own."""

from __future__ import annotations

import ctypes
import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kdcl_tf import files
from kdcl_tf.reproduction import child_programs
from kdcl_tf.reproduction.plan import FREE_SETTINGS, Run
from kdcl_tf.training.workdir import Workdir


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
      at_once: how many runs train beside each other; the next begins when one has ended.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        arguments: Sequence[str] = (),
        say: Callable[[str], object] = print,
        look: Callable[[], object] = lambda: None,
        at_once: int = 1,
    ):
        self._runs, self._arguments, self._at_once = runs, tuple(arguments), at_once
        self._say, self._look = say, look

    def run(self) -> None:
        """Completes all runs, and goes on to the next if one fails after training began.

        Raises:
          RunFailed: before the first run, if a complete run was made with other flags, since
            one table must not mix them; at once, if a run cannot even begin to train, such as
            without its data, since the others could not either; after the last run, if some
            failed, or had no teacher, since its run failed or its students are gone.
        """
        self._check_complete()
        waiting, running, failures = self._numbered(), [], []
        # Whatever ends this early asks those that still run to save.
        with files.undone(lambda: _stop(running)):
            while waiting or running:
                while len(running) < self._at_once and (ready := _first_ready(waiting, running)):
                    waiting.remove(ready)
                    if failure := _without_teacher(ready[0]):
                        self._say(f"{ready[1]}: cannot begin, {failure}")
                        failures.append(failure)
                    else:
                        running += self._begun(*ready)
                for each in self._ended(running):
                    running.remove(each)
                    failures += self._failure_of(each, failures)
        if failures:
            raise RunFailed("; ".join(failures))

    def _numbered(self):
        """`[(run, what its lines begin with)]`."""
        count = len(self._runs)
        return [
            (run, f"[{number}/{count}] {run.row}, seed {run.seed}")
            for number, run in enumerate(self._runs, start=1)
        ]

    def _check_complete(self):
        for run in self._runs:
            if not run.is_complete:
                continue
            try:
                Workdir(run.workdir).check(run.settings, FREE_SETTINGS)
            except ValueError as error:
                raise RunFailed(f"{run.row}, seed {run.seed}: {error}") from error

    def _begun(self, run, head):
        """The run that now trains, in a list; none if it is complete."""
        if run.is_complete:
            self._say(f"{head}: complete already, {summary(run.workdir)}")
            return []
        self._say(f"{head}: begins; what it prints is in {_output(run)}")
        run.workdir.mkdir(parents=True, exist_ok=True)
        arguments = [*run.arguments, *self._arguments, f"--workdir={run.workdir}"]
        with _output(run).open("a") as file:
            before = file.tell()
            process = subprocess.Popen(
                child_programs.command("train", arguments),
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )
        return [_Running(run, head, process, time.monotonic(), before)]

    def _ended(self, running):
        """Waits up to a second for one of the running to end; those that have."""
        if running:
            try:
                running[0].process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                self._look()
        return [each for each in running if each.process.poll() is not None]

    def _failure_of(self, ended, before):
        """Says how a run ended; why it failed, in a list.

        Args:
          ended: the run.
          before: the failures before this one.

        Raises:
          RunFailed: when it did not even begin to train.
        """
        run, head = ended.run, ended.head
        if not ended.process.returncode:
            minutes = (time.monotonic() - ended.began) / 60
            self._say(f"{head}: {summary(run.workdir)} in {minutes:.1f} min")
            return []
        printed = _output(run).read_bytes()[ended.before :].decode(errors="replace")
        told = child_programs.end(ended.process.returncode, printed)
        failure = f"{run.row}, seed {run.seed}: {told} (see {_output(run)})"
        # It is written when the data is loaded and the students are built.
        if not (run.workdir / "flags.txt").exists():
            raise RunFailed("; ".join([*before, failure]))
        self._say(f"{head}: failed, {failure}")
        return [failure]


class _Running(NamedTuple):
    """A run that trains in a process of its own."""

    run: Run
    head: str
    process: subprocess.Popen
    began: float
    # Bytes of the output of earlier processes.
    before: int


def _first_ready(waiting, running):
    """The first `(run, head)` of those that wait whose teacher does not train now, or None."""
    busy = [each.run.workdir for each in running]
    return next((each for each in waiting if not _is_taught_by(each[0], busy)), None)


def _is_taught_by(run, workdirs):
    return run.teacher is not None and run.teacher.workdir in workdirs


def _without_teacher(run):
    """Why a run that is not complete cannot have its teacher; "" where it can, or has none."""
    if run.is_complete or run.teacher is None:
        return ""
    student = pathlib.Path(run.settings.teacher)
    if run.teacher.is_complete and student.is_dir():
        return ""
    why = f"has no {student} any more" if run.teacher.is_complete else "is not complete"
    whose = f"{run.teacher.row}, seed {run.teacher.seed}"
    return f"{run.row}, seed {run.seed}: its teacher's run, {whose}, {why}"


def _output(run):
    return run.workdir / "output.txt"


def summary(workdir: str | pathlib.Path) -> str:
    """The accuracy of each student of a complete run: `resnet20 45.12%, wrn_16_2 47.80%`."""
    result = json.loads((pathlib.Path(workdir) / "result.json").read_text())
    return ", ".join(
        f"{name} {student['accuracy']:.2%}" for name, student in result["students"].items()
    )


def _stop(running):
    """Asks runs to save and end, and waits for it."""
    for each in running:
        each.process.terminate()
    for each in running:
        each.process.wait()


def _end_with_parent():
    """Lets Linux send this process SIGTERM when its parent dies, even by SIGKILL.

    Otherwise it would keep training in a folder that the next reproduction is to continue.
    """
    if sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)
