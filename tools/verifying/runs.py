"""Real runs, stopped and not, each a process: what they leave is compared.

Two runs on CPUs are the same bits.  On accelerators, kernels are asked to be deterministic, and
what differs all the same has a bound.
"""

from __future__ import annotations

import functools
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.reproduction import child_programs
from verifying import cohorts, scenes
from verifying.findings import Finding, NotApplicable, measured
from verifying.machine import Machine

# 40 images are three steps an epoch, of which the last is short.
_FLAGS = (
    "--students=resnet8,wrn_10_1",
    "--ensemble=min_logit",
    "--image_size=8",
    "--train_per_class=4",
    "--holdout_per_class=0",
    "--batch_size=16",
    "--epochs=4",
    "--milestones=",
    "--evaluate_every=4",
    "--learning_rate=0.02",
)
_HALF = ("--precision=float16", "--students=resnet8")
_DETECTOR = (
    "--detector=mask",
    "--backbone=resnet18",
    f"--short_side={scenes.SIDE}",
    f"--long_side={scenes.SIDE}",
    "--regions_per_image=8",
    "--batch_size=2",
    "--epochs=2",
    "--milestones=",
    "--evaluate_every=2",
    "--learning_rate=0.001",
)
_BOUND, _HALF_BOUND = 1e-3, 1e-2
# Seconds, on a machine that is busy with other things, too.
_PATIENCE = 900


class Runs:
    """Runs on one device, each in a folder of its own.

    Args:
      machine: where they run.
      folder: an empty one.
    """

    def __init__(self, machine: Machine, folder: pathlib.Path):
        self._machine, self._folder = machine, pathlib.Path(folder)
        self.whole = functools.cache(self._whole)

    def _whole(self, *flags):
        """The workdir of a run of kdcl-train that nothing disturbs."""
        workdir = self._new_workdir()
        self._finish(self._start(workdir, flags))
        return workdir

    def detected(self, *flags: str) -> pathlib.Path:
        """The workdir of a run of kdcl-detect, whose kernels are those that it asks for itself."""
        workdir = self._new_workdir()
        arguments = [*self._machine.arguments, *flags, f"--workdir={workdir}"]
        self._finish(self._process("detect", workdir, arguments))
        return workdir

    def stopped(self, *flags: str) -> pathlib.Path:
        """The workdir of a run that was stopped after its first steps and then continued.

        Raises:
          RuntimeError: when it did not stop inside its training, or did not go on there.
        """
        workdir = self._new_workdir()
        process = self._start(workdir, (*flags, "--checkpoint_seconds=0"))
        deadline = time.monotonic() + _PATIENCE
        while process.poll() is None and not list(workdir.glob("checkpoints/step-*")):
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=_PATIENCE)
        where = re.search(r"stopped by SIGTERM at (epoch \d+, step \d+ of \d+)", error)
        if process.returncode != 128 + signal.SIGTERM or not where:
            raise RuntimeError(f"a run did not stop inside its training: {_last_line(error)}")
        output = self._finish(self._start(workdir, flags))
        if f"continuing at {where[1]}" not in output and ", step 0 of " not in where[1]:
            raise RuntimeError(f"a run that was stopped at {where[1]} did not go on there")
        return workdir

    def _new_workdir(self):
        return self._folder / f"run_{len(list(self._folder.iterdir()))}"

    def _start(self, workdir, flags):
        arguments = [*_FLAGS, *self._machine.arguments, *flags, f"--workdir={workdir}"]
        deterministic = {} if self._machine.is_repeatable else {"TF_DETERMINISTIC_OPS": "1"}
        return self._process("train", workdir, arguments, **deterministic)

    def _process(self, program, workdir, arguments, **environment):
        # It must be counted by the next run before it has made it itself.
        workdir.mkdir(exist_ok=True)
        quiet = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.Popen(
            child_programs.command(program, arguments),
            env={**os.environ, **quiet, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finish(self, process):
        """Waits for a run; returns what it has printed."""
        output, error = process.communicate(timeout=_PATIENCE)
        if process.returncode:
            raise RuntimeError(_last_line(error))
        return output


def resumed(machine: Machine, runs: Runs) -> Iterator[Finding]:
    """A run that is stopped and continued against one that is not."""
    yield measured(
        "resume",
        "kdcl-train stopped inside an epoch and continued, against uninterrupted",
        0.0 if machine.is_repeatable else _BOUND,
        lambda: _difference(runs.stopped(), runs.whole()),
    )


def steps_per_loop(machine: Machine, runs: Runs) -> Iterator[Finding]:
    """Two steps in one graph against one."""
    yield measured(
        "steps per loop",
        "kdcl-train --steps_per_loop=2 against 1",
        0.0 if machine.is_repeatable else _BOUND,
        lambda: _difference(runs.whole("--steps_per_loop=2"), runs.whole("--steps_per_loop=1")),
    )


def float16(machine: Machine, runs: Runs) -> Iterator[Finding]:
    """Steps in float16 with a loss scale: all finite, and the same when stopped and continued."""
    yield measured(
        "float16",
        "numbers that are not finite in the log and the weights of kdcl-train --precision=float16",
        0.0,
        lambda: _count_not_finite(_for_half(machine, runs).whole(*_HALF)),
    )
    yield measured(
        "float16, resume",
        "the same run stopped inside an epoch and continued, against uninterrupted",
        0.0 if machine.is_repeatable else _HALF_BOUND,
        lambda: _difference(_for_half(machine, runs).stopped(*_HALF), runs.whole(*_HALF)),
    )


def compiled(machine: Machine, runs: Runs) -> Iterator[Finding]:
    """A step of kdcl-train that XLA compiles against one that it does not."""
    # One step, of all images.
    flags = ("--students=resnet8", "--epochs=1", "--batch_size=40")

    def difference():
        if machine.kind == "TPU":
            raise NotApplicable("XLA compiles every step on a TPU")
        return _difference(runs.whole(*flags, "--jit_compile"), runs.whole(*flags))

    yield measured(
        "XLA in kdcl-train", "a step with --jit_compile against without", 1e-5, difference
    )


def detector(machine: Machine, runs: Runs) -> Iterator[Finding]:
    """A detector, which computes with other operations than students do."""

    def count():
        if machine.kind == "TPU":
            raise NotApplicable("kdcl-detect does not train on TPUs")
        with files.temporary_folder("kdcl_scenes_") as folder:
            scenes.write(folder)
            return _not_finite(runs.detected(*_DETECTOR, f"--dataset=coco:{folder}"))

    yield measured(
        "detector",
        "numbers that are not finite in the log and the weights of kdcl-detect",
        0.0,
        count,
    )


def _for_half(machine, runs):
    if machine.kind == "TPU":
        raise NotApplicable("TPUs compute in bfloat16")
    return runs


def _variables(workdir):
    """`{place and path: value}` of a run's last checkpoint."""
    path = max(workdir.glob("checkpoints/step-*"))
    manifest = json.loads((path / "manifest.json").read_text())
    reader = tf.train.load_checkpoint(str(path / "variables"))
    return {
        f"{index} {name}": reader.get_tensor(f"{index:05d}/.ATTRIBUTES/VARIABLE_VALUE")
        for index, (name, *_) in enumerate(manifest["variables"])
    }


def _difference(found, wanted):
    """The largest between all variables of two complete runs."""
    found, wanted = _variables(found), _variables(wanted)
    if list(found) != list(wanted):
        raise RuntimeError("two runs of the same flags have other variables")
    return cohorts.difference(list(found.values()), list(wanted.values()))


def _count_not_finite(workdir):
    if not any("loss_scale" in path for path in _variables(workdir)):
        raise RuntimeError("the run has no loss scale")
    return _not_finite(workdir)


def _not_finite(workdir):
    variables = _variables(workdir)
    records = [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]
    logged = [value for record in records for value in record.values()]
    numbers = sum(not math.isfinite(each) for each in logged if isinstance(each, (int, float)))
    return numbers + sum(np.count_nonzero(~np.isfinite(each)) for each in variables.values())


def _last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]
