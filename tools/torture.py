"""Puts faults into real short runs of kdcl-train, and tells what became of each run.

    python tools/torture.py --faults=300 --output=results/torture

After each fault the same command is run again, without it.  A run has survived if it then ends
with the log and the variables of an undisturbed run, bit for bit, or, if it was complete, says the
same and has its exports whole; of two workers, whose sums are
not, with its epochs, steps and losses to within a twentieth.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile

from absl import flags

from kdcl_tf import files
from kdcl_tf.programs import command_line
from torturing import faults as faults_lib, runs

_COLUMNS = ("faults", "survived", "refused", "wrong results", "lost steps", "tracebacks", "hangs")
_CAME_THROUGH = ("survived", "refused as it should be")
_ADVICE = re.compile(r"(?:line \d+ of )?(\S+) is damaged .*: delete the file")
_CONTINUING = re.compile(r"continuing at epoch (\d+), step (\d+)")


def define_flags(flag_values):
    """Defines how many faults, which, and where the table goes."""
    flags.DEFINE_integer("faults", 300, "How many.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Decides all of them.", flag_values=flag_values)
    flags.DEFINE_integer(
        "processes", 2, "Faults put at the same time.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_string(
        "kind", "", "Only the kinds of faults whose names contain this.", flag_values
    )
    flags.DEFINE_string("output", None, "Folder for faults.jsonl and table.md.", flag_values)


def main(flag_values):
    """Puts the faults; prints and writes the table; fails where a run did not come through."""
    chosen = plan(
        flag_values["faults"].value, flag_values["kind"].value, flag_values["seed"].value
    )
    count = min(flag_values["processes"].value, len(chosen))
    with tempfile.TemporaryDirectory(prefix="kdcl_torture_") as folder:
        found = in_processes(chosen, count, pathlib.Path(folder))
    text = table(found)
    print(text)
    if flag_values["output"].value:
        output = pathlib.Path(flag_values["output"].value)
        output.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(each) + "\n" for each in found)
        files.write_text(output / "faults.jsonl", lines)
        files.write_text(output / "table.md", text + "\n")
    bad = [each for each in found if each["verdict"] not in _CAME_THROUGH]
    if bad:
        command_line.fail(f"{len(bad)} of {len(found)} runs did not come through: {bad[0]}")


def plan(count, kind, seed):
    """`[(number, Fault, seed)]`, each kind by its share, at least once."""
    kinds = [each for each in faults_lib.FAULTS if kind in each.kind]
    if not kinds:
        names = ", ".join(each.kind for each in faults_lib.FAULTS)
        raise ValueError(f"expected --kind to be part of one of {names}; got {kind}")
    chance = random.Random(seed)
    more = chance.choices(kinds, [each.share for each in kinds], k=max(0, count - len(kinds)))
    chosen = [*kinds, *more][:count]
    return [(number, fault, chance.randrange(2**32)) for number, fault in enumerate(chosen)]


def in_processes(chosen, count, folder):
    """Puts the faults, `count` at a time; returns a record of each, in order."""
    children = []
    for index in range(count):
        child = os.fork()
        if not child:
            _as_process(chosen[index::count], folder / str(index))
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        if status:
            raise RuntimeError("a process that puts faults has ended early; its output is above")
    found = []
    for index in range(count):
        lines = (folder / str(index) / "found.jsonl").read_text().splitlines()
        found += map(json.loads, lines)
    return sorted(found, key=lambda each: each["number"])


def _as_process(chosen, folder):
    """Never returns."""
    status = 1
    try:
        folder.mkdir()
        _forget_flags()
        runs.preload()
        bench = Bench(folder)
        with open(folder / "found.jsonl", "w") as file:
            for number, fault, seed in chosen:
                record = bench.put(number, fault, seed)
                file.write(json.dumps(record) + "\n")
                file.flush()
                print(f"{number} {fault.kind}: {record['verdict']}", file=sys.stderr, flush=True)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _forget_flags():
    """Makes room for the flags of kdcl-train, some of which have the same names."""
    mine = flags.FlagValues()
    define_flags(mine)
    if all(name in flags.FLAGS for name in mine):
        flags.FLAGS.remove_flag_values(mine)
        flags.FLAGS.unparse_flags()


class Bench:
    """Undisturbed runs, and what becomes of copies of them.

    Args:
      folder: for all that is written.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        runs.write_images(folder / "images")
        # All grounds are at one place, since commands name it.
        self._place = folder / "ground"
        self._complete, self._stopped = folder / "complete", folder / "stopped"
        self._expected = {}
        self._expect(1)
        shutil.copytree(self._place / "run", self._complete)
        self._make_stopped()

    def _expect(self, workers):
        """What an undisturbed run of so many workers computes; runs it at the first call."""
        if workers not in self._expected:
            ground = self._ground(random.Random(0))
            complete = _run(ground, workers)
            if complete.status:
                raise RuntimeError(f"an undisturbed run failed: {complete}")
            self._expected[workers] = runs.facts(ground.workdir)
            if workers == 1:
                self._told = _report(complete)
        return self._expected[workers]

    def _make_stopped(self):
        ground = self._ground(random.Random(0))

        def stop():
            from kdcl_tf.training.checkpoint import Checkpoints

            save = Checkpoints.save

            def stopping(checkpoints, step, progress):
                save(checkpoints, step, progress)
                if step == runs.STEPS + 2:
                    os._exit(0)

            Checkpoints.save = stopping

        ground.run(before=stop)
        shutil.copytree(ground.workdir, self._stopped)

    def _ground(self, chance, start="nothing"):
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._folder / "images", self._place / "images")
        workdir = self._place / "run"
        if start != "nothing":
            shutil.copytree(self._complete if start == "complete" else self._stopped, workdir)
        return faults_lib.Ground(self._place / "images", workdir, chance)

    def put(self, number, fault, seed):
        """Puts one fault, runs the command again; returns what is known of it."""
        self._expect(fault.workers)
        ground = self._ground(random.Random(seed), fault.start)
        fault.put(ground)
        faulted, steps = len(ground.ended), ground.steps
        last = _run(ground, fault.workers)
        followed = []
        while last.status == 1 and not fault.refuses and len(followed) < 3:
            advice = _ADVICE.search(last.stderr)
            if not advice or not os.path.exists(advice[1]):
                break
            os.unlink(advice[1])
            followed.append(os.path.basename(advice[1]))
            last = _run(ground, fault.workers)
        verdict = self._verdict(fault, ground, last)
        came_through = verdict in _CAME_THROUGH
        return {
            "number": number,
            "kind": fault.kind,
            "seed": seed,
            "verdict": verdict,
            "stderr": [] if came_through else [each.stderr[-2000:] for each in ground.ended],
            "statuses": [each.status for each in ground.ended],
            "lost_steps": _lost_steps(steps, ground.ended[faulted]) if faulted else 0,
            "advice_followed": followed,
            # Without the temporary folder, which is another one every time.
            "lines": [
                [line.replace(f"{self._place}/", "") for line in _lines(each)]
                for each in ground.ended
            ],
        }

    def _verdict(self, fault, ground, last):
        if any(each.status is None for each in ground.ended):
            return "hang"
        if any("Traceback" in each.stderr + each.stdout for each in ground.ended):
            return "traceback"
        # TensorFlow itself ends a worker whose peer dies while they meet, without a word.
        least = 1 if fault.workers == 1 else 0
        if any(each.status == 1 and not least <= len(_lines(each)) <= 1 for each in ground.ended):
            return "not one line"
        if any("unexpected" in line for each in ground.ended for line in _lines(each)):
            return "defect"
        if last.status == 0:
            found, expected = runs.facts(ground.workdir), self._expect(fault.workers)
            is_same = found == expected if fault.workers == 1 else runs.are_near(found, expected)
            if fault.start == "complete":
                # It is not trained again: what counts is what it says and has exported.
                is_same = _report(last) == self._told and not runs.damaged_exports(ground.workdir)
            return "survived" if is_same and not fault.refuses else "wrong result"
        if last.status == 1:
            return "refused as it should be" if fault.refuses or fault.may_refuse else "refused"
        return f"status {last.status}"


def _report(ended):
    """The end of what a run prints: a line a student, the ensemble, and where everything is."""
    return ended.stdout.splitlines()[-4:]


def _run(ground, workers):
    return ground.run() if workers == 1 else ground.run_pair()


def _lines(ended):
    """What the program itself says at its end."""
    return [line for line in ended.stderr.splitlines() if line.startswith("kdcl-train: ")]


def _lost_steps(steps, resumed):
    """Steps that had been trained, and were trained again."""
    found = _CONTINUING.search(resumed.stdout)
    if not found:
        return steps if steps < runs.EPOCHS * runs.STEPS else 0
    return max(0, steps - (int(found[1]) - 1) * runs.STEPS - int(found[2]))


def table(found):
    """The records as a table, a row a kind."""
    rows = collections.defaultdict(collections.Counter)
    for each in found:
        for name in (each["kind"], "all"):
            row, verdict = rows[name], each["verdict"]
            row["faults"] += 1
            row["survived"] += verdict == "survived"
            row["refused"] += verdict.startswith("refused")
            row["wrong results"] += verdict in ("wrong result",)
            row["lost steps"] += each["lost_steps"]
            row["tracebacks"] += verdict in ("traceback", "defect", "not one line")
            row["hangs"] += verdict == "hang"
    order = [each.kind for each in faults_lib.FAULTS if each.kind in rows] + ["all"]
    lines = [f"| fault | {' | '.join(_COLUMNS)} |", "|---" * (1 + len(_COLUMNS)) + "|"]
    for name in order:
        lines.append(f"| {name} | {' | '.join(str(rows[name][each]) for each in _COLUMNS)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(define_flags, main)
