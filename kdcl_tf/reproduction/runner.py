"""Runs of `kdcl-train` one after another, each in a process of its own."""

import ctypes
import json
import pathlib
import signal
import subprocess
import sys
import time

from kdcl_tf.training.workdir import Workdir

# A teacher's path may differ: runs may have been moved together.
_FREE = ("teacher",)


class RunFailed(Exception):
    """Runs ended with an error; says which and why, in one line."""


class Runner:
    """Runs what is not complete yet, and says how far it is.

    A process that is killed leaves its run to be continued: `kdcl-train` picks it up where
    its last checkpoint is.

    Args:
      runs: `plan.Run`s, in the order to run.
      arguments: further flags for every run, such as --data_dir.
      say: a function of one line of text.
    """

    def __init__(self, runs, arguments=(), say=print):
        self._runs, self._arguments, self._say = runs, tuple(arguments), say

    def run(self):
        """Completes every run; those that fail after they began to train are passed over.

        Raises:
          RunFailed: before any for a complete run that was made with other flags, which no
            table may mix; at once for a run that cannot even begin, such as one without its
            data, since the others would not either; after the last for those passed over.
        """
        self._check_complete()
        failures = []
        for number, run in enumerate(self._runs, start=1):
            head = f"[{number}/{len(self._runs)}] {run.row}, seed {run.seed}"
            if _is_complete(run):
                self._say(f"{head}: complete already, {summary(run.workdir)}")
                continue
            self._say(f"{head}: begins")
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
        """What went wrong, or None."""
        run.workdir.mkdir(parents=True, exist_ok=True)
        output = run.workdir / "output.txt"
        command = [sys.executable, "-m", "kdcl_tf.train", *run.arguments, *self._arguments]
        with output.open("a") as file:
            process = subprocess.Popen(
                [*command, f"--workdir={run.workdir}"],
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
            )
            status = _wait(process)
        if status:
            return f"{run.row}, seed {run.seed}: {_last_line(output)} (see {output})"
        return None


def _is_complete(run):
    return (run.workdir / "result.json").exists()


def summary(workdir):
    """`resnet20 45.12%, wrn_16_2 47.80%` of a complete run."""
    result = json.loads((pathlib.Path(workdir) / "result.json").read_text())
    return ", ".join(
        f"{name} {student['accuracy']:.2%}" for name, student in result["students"].items()
    )


def _wait(process):
    """The exit status; what interrupts this process asks that one to save and end, too."""
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _end_with_parent():
    """Linux sends the child SIGTERM when its parent dies, be it by SIGKILL.

    An orphan would train on in a folder that the next reproduction wants to continue.
    """
    if sys.platform == "linux":
        parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def _last_line(path):
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
