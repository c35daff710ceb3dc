"""Undisturbed runs of the programs, and what becomes of copies of them that get a fault."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import re
import shutil
from typing import Any

from torturing import programs, runs
from torturing.faults import Fault
from torturing.ground import Ground
from torturing.programs import EPOCHS, Program

CAME_THROUGH = ("survived", "refused as it should be")
_ADVICE = re.compile(r"(?:line \d+ of )?(\S+) is damaged .*: delete the file")
_CONTINUING = re.compile(r"continuing at epoch (\d+), step (\d+)")


@dataclasses.dataclass(frozen=True)
class _Undisturbed:
    """An undisturbed run.

    Attributes:
      folder: copies of what it left behind, "complete" and "stopped".
      outcome: what it computed.
      report: the end of what it printed.
    """

    folder: pathlib.Path
    outcome: Any
    report: list[str]


class Bench:
    """Where faults are put, one after the other.

    Args:
      folder: for all that is written.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        # All grounds are at one place, since commands name it.
        self._place = folder / "ground"
        self._undisturbed = {}
        os.environ["KDCL_CACHE_DIR"] = str(self._place / "cache")

    def put(self, number: int, fault: Fault, seed: int) -> dict[str, Any]:
        """Puts one fault, runs the command again; returns what is known of it."""
        self._run_undisturbed(fault.program, fault.workers)
        ground = self._ground(fault.program, random.Random(seed), fault.start)
        fault.put(ground)
        faulted, steps = len(ground.ended), ground.steps
        last, followed = self._run_again(fault, ground)
        verdict = self._verdict(fault, ground, last)
        came_through = verdict in CAME_THROUGH
        return {
            "number": number,
            "kind": fault.kind,
            "seed": seed,
            "verdict": verdict,
            # Of a run that hung, where its threads were is at the end of `stderr`.
            "stderr": [] if came_through else [each.stderr[-5000:] for each in ground.ended],
            "stdout": [] if came_through else [each.stdout[-500:] for each in ground.ended],
            "statuses": [each.status for each in ground.ended],
            "lost_steps": lost_steps(steps, ground.ended[faulted], fault.program) if faulted else 0,
            "advice_followed": followed,
            # Without the temporary folder, which is another one every time.
            "lines": [
                [line.replace(f"{self._place}/", "") for line in _lines(each, ground)]
                for each in ground.ended
            ],
        }

    def _run_again(self, fault, ground):
        """(the end of the command without the fault, the files that it told to delete)."""
        last, followed = _run(ground, fault.workers), []
        while last.status == 1 and not fault.refuses and len(followed) < 3:
            advice = _ADVICE.search(last.stderr)
            if not advice or not os.path.exists(advice[1]):
                break
            os.unlink(advice[1])
            followed.append(os.path.basename(advice[1]))
            last = _run(ground, fault.workers)
        return last, followed

    def _run_undisturbed(self, program, workers=1):
        """The `_Undisturbed` run of so many workers; runs it at the first call."""
        key = program.name, workers
        if key in self._undisturbed:
            return self._undisturbed[key]
        start = "nothing"
        if program.base:
            self._run_undisturbed(program.base)
            start = "complete"
        ground = self._ground(program, random.Random(0), start)
        complete = _run(ground, workers)
        if complete.status:
            raise RuntimeError(f"an undisturbed run failed: {complete}")
        made = _Undisturbed(
            self._folder / f"{program.name} {workers}",
            program.outcome(ground.workdir, complete.stdout),
            _report(complete),
        )
        self._keep(ground, made.folder / "complete")
        if not program.base and workers == 1:
            self._keep(self._stopped(program), made.folder / "stopped")
        self._undisturbed[key] = made
        return made

    def _stopped(self, program):
        """A run that ended in its second epoch."""
        ground = self._ground(program, random.Random(0))

        def stop():
            from kdcl_tf.training.checkpoint import Checkpoints

            save = Checkpoints.save

            def stopping(checkpoints, step, progress):
                save(checkpoints, step, progress)
                if step == program.steps + 2:
                    os._exit(0)

            Checkpoints.save = stopping

        ground.run(before=stop)
        return ground

    def _keep(self, ground, folder):
        for path in (ground.workdir, ground.cache):
            if path.exists():
                shutil.copytree(path, folder / path.name)

    def _ground(self, program, chance, start="nothing"):
        shutil.rmtree(self._place, ignore_errors=True)
        data = self._folder / program.name
        if not data.exists():
            program.write_data(data)
        # With the times of the files, by which the cache of TFRecords knows them.
        shutil.copytree(data, self._place / "data")
        ground = Ground(
            program, self._place / "data", self._place / "run", self._place / "cache", chance
        )
        if start != "nothing":
            made = self._undisturbed[(program.base or program).name, 1].folder / start
            for path in (ground.workdir, ground.cache):
                if (made / path.name).exists():
                    shutil.copytree(made / path.name, path)
        return ground

    def _verdict(self, fault, ground, last):
        if any(each.status is None for each in ground.ended):
            return "hang"
        if any("Traceback" in each.stderr + each.stdout for each in ground.ended):
            return "traceback"
        # TensorFlow itself ends a worker whose peer dies while they meet, without a word.
        least = 1 if fault.workers == 1 else 0
        told = [(each.status, _lines(each, ground)) for each in ground.ended]
        if any(status == 1 and not least <= len(lines) <= 1 for status, lines in told):
            return "not one line"
        if any("unexpected" in line for _, lines in told for line in lines):
            return "defect"
        if last.status == 0:
            is_same = self._is_same(fault, ground, last)
            return "survived" if is_same and not fault.refuses else "wrong result"
        if last.status == 1:
            return "refused as it should be" if fault.refuses or fault.may_refuse else "refused"
        return f"status {last.status}"

    def _is_same(self, fault, ground, last):
        """Whether the command has ended as the undisturbed one."""
        program, expected = fault.program, self._run_undisturbed(fault.program, fault.workers)
        if fault.start == "complete" and not program.base:
            # It is not trained again: what counts is what it says and has exported.
            damaged = programs.damaged_exports(*program.exports(ground.workdir))
            return _report(last) == expected.report and not damaged
        found = program.outcome(ground.workdir, last.stdout)
        if fault.workers > 1:
            return programs.are_near(found, expected.outcome)
        return found == expected.outcome


def lost_steps(steps: int, resumed: runs.Ended, program: Program) -> int:
    """Steps that had been trained, and were trained again.

    Args:
      steps: how many had been trained.
      resumed: the process that went on.
      program: what it ran.
    """
    found = _CONTINUING.search(resumed.stdout)
    if not found:
        return steps if steps < EPOCHS * program.steps else 0
    return max(0, steps - (int(found[1]) - 1) * program.steps - int(found[2]))


def _report(ended):
    """The end of what a run prints: a line a student, the ensemble, and where everything is."""
    return ended.stdout.splitlines()[-4:]


def _run(ground, workers):
    return ground.run() if workers == 1 else ground.run_pair()


def _lines(ended, ground):
    """What the program itself says at its end."""
    prefix = f"kdcl-{ground.program.door}: "
    return [line for line in ended.stderr.splitlines() if line.startswith(prefix)]
