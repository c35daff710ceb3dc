"""Tests of kdcl_tf.reproduction.runner, with real runs of kdcl-train."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from absl.testing import absltest

from kdcl_tf.files.identity import Identity
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.reproduction.runner import RunFailed, Runner, summary
from kdcl_tf.training.workdir import Workdir

_TINY = ("--students=resnet8", "--method=independent", "--train_per_class=2", "--epochs=1")


class RunnerTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.said = []

    def _run(self, *arguments, name="row"):
        run = Run(name, 0, self.folder / name / "seed0", arguments)
        Runner([run], say=self.said.append).run()
        return run

    def test_it_completes_a_run_and_does_not_run_it_again(self):
        run = self._run(*_TINY, "--milestones=")
        result = json.loads((run.workdir / "result.json").read_text())
        accuracy = result["students"]["resnet8"]["accuracy"]
        self.assertEqual(summary(run.workdir), f"resnet8 {accuracy:.2%}")
        output = run.workdir / "output.txt"
        begins = f"[1/1] row, seed 0: begins; what it prints is in {output}"
        self.assertEqual(self.said[0], begins)
        self.assertIn("accuracy", output.read_text())
        self.assertStartsWith(self.said[1], f"[1/1] row, seed 0: resnet8 {accuracy:.2%} in ")
        began = (run.workdir / "result.json").stat().st_mtime
        self._run(*_TINY, "--milestones=")
        self.assertIn("complete already", self.said[-1])
        self.assertEqual((run.workdir / "result.json").stat().st_mtime, began)

    def test_a_complete_run_with_other_flags_is_refused_before_anything_trains(self):
        workdir = Workdir(self.folder / "row" / "seed0")
        old = Run("row", 0, workdir.path, (*_TINY, "--milestones=", "--seed=7"))
        workdir.record(old.settings)
        found = Identity(old.settings.as_flags(), {}).facts
        workdir.write_result({"students": {}, "identity": found})
        changed = dataclasses.replace(old, arguments=_TINY)
        runs = [Run("new", 0, self.folder / "new", _TINY), changed]
        message = r"^row, seed 0: workdir .*: --seed=7 \(now 0\); "
        with self.assertRaisesRegex(RunFailed, message):
            Runner(runs, say=self.said.append).run()
        self.assertEmpty(self.said)
        self.assertFalse((self.folder / "new").exists())

    @pytest.mark.slow
    def test_two_at_once_train_beside_each_other(self):
        runs = [
            Run(name, 0, self.folder / name, (*_TINY, "--milestones="))
            for name in ("one", "two", "three")
        ]
        Runner(runs, say=self.said.append, at_once=2).run()
        told = [line.split(":")[0] + (": begins" if "begins" in line else "") for line in self.said]
        self.assertEqual(told[:2], ["[1/3] one, seed 0: begins", "[2/3] two, seed 0: begins"])
        # The third waits until one of the two has ended, or both have in the same second.
        third = told.index("[3/3] three, seed 0: begins")
        ended = set(told[2:third])
        self.assertNotEmpty(ended)
        self.assertContainsSubset(ended, {"[1/3] one, seed 0", "[2/3] two, seed 0"})
        self.assertLen(told, 6)
        results = [json.loads((run.workdir / "result.json").read_text()) for run in runs]
        accuracies = {str(each["students"]["resnet8"]["accuracy"]) for each in results}
        self.assertLen(accuracies, 1)

    def test_a_run_that_cannot_begin_stops_the_one_beside_it(self):
        runs = [
            Run("long", 0, self.folder / "long", ("--epochs=1000", "--milestones=")),
            Run("wrong", 0, self.folder / "wrong", ("--students=resnet9",)),
        ]
        with self.assertRaisesRegex(RunFailed, "^wrong, seed 0: .*unknown student 'resnet9'"):
            Runner(runs, say=self.said.append, at_once=2).run()
        self.assertIsNone(_trainer(runs[0].workdir))

    def test_a_run_that_is_killed_says_so_and_not_what_an_earlier_one_printed(self):
        run = Run("long", 0, self.folder / "long", ("--epochs=1000", "--milestones="))
        run.workdir.mkdir()
        (run.workdir / "output.txt").write_text("stopped by SIGTERM: the same command continues\n")

        def look():
            if child := _trainer(run.workdir):
                os.kill(child, signal.SIGKILL)

        with self.assertRaisesRegex(
            RunFailed, "^long, seed 0: ended by SIGKILL, as .* full "
        ) as caught:
            Runner([run], say=self.said.append, look=look).run()
        self.assertNotIn("stopped by", str(caught.exception))
        self.assertIn("stopped by", (run.workdir / "output.txt").read_text())

    def test_a_run_that_fails_says_why(self):
        with self.assertRaisesRegex(RunFailed, "row, seed 0: .*unknown student 'resnet9'.*output"):
            self._run("--students=resnet9")

    @pytest.mark.slow
    def test_a_run_that_diverges_is_passed_over_and_named_at_the_end(self):
        wild = ("--learning_rate=1e30", "--epochs=3", "--batch_size=5")
        calm = (*_TINY, "--milestones=")
        runs = [
            Run("wild", 0, self.folder / "wild", (*calm, *wild)),
            Run("calm", 0, self.folder / "calm", calm),
        ]
        teacher = f"--teacher={self.folder / 'wild' / 'students' / 'resnet8'}"
        taught = (*calm, "--method=offline_distillation", teacher)
        runs.insert(1, Run("taught", 0, self.folder / "taught", taught, runs[0]))
        with self.assertRaisesRegex(
            RunFailed,
            "^wild, seed 0: .*is not finite.*; taught, seed 0: its teacher's run, wild, seed 0, is "
            "not complete$",
        ):
            Runner(runs, say=self.said.append).run()
        self.assertTrue((self.folder / "calm" / "result.json").exists())
        self.assertIn("[1/3] wild, seed 0: failed, wild, seed 0: ", self.said[1])
        self.assertStartsWith(self.said[2], "[2/3] taught, seed 0: cannot begin, taught, seed 0: ")

    def test_a_run_whose_teacher_was_published_without_its_students_is_passed_over(self):
        teacher = Run("alone", 0, self.folder / "alone", (*_TINY, "--milestones="))
        workdir = Workdir(teacher.workdir)
        workdir.record(teacher.settings)
        facts = Identity(teacher.settings.as_flags(), {}).facts
        workdir.write_result({"students": {}, "identity": facts})
        flag = f"--teacher={teacher.workdir / 'students' / 'resnet8'}"
        taught = Run("taught", 0, self.folder / "taught", (*_TINY, "--milestones=",
                     "--method=offline_distillation", flag), teacher)  # fmt: skip
        message = "^taught, seed 0: .*alone, seed 0, has no .*alone/students/resnet8 any more$"
        with self.assertRaisesRegex(RunFailed, message):
            Runner([teacher, taught], say=self.said.append).run()
        self.assertFalse(taught.workdir.exists())

    def test_a_run_ends_with_the_runner(self):
        program = (
            "import pathlib, sys\n"
            "from kdcl_tf.reproduction.plan import Run\n"
            "from kdcl_tf.reproduction.runner import Runner\n"
            "run = Run('row', 0, pathlib.Path(sys.argv[1]), ('--epochs=1000', '--milestones='))\n"
            "Runner([run]).run()\n"
        )
        workdir = self.folder / "long"
        runner = subprocess.Popen([sys.executable, "-c", program, str(workdir)])
        child = _wait_for(lambda: _trainer(workdir))
        _wait_for(lambda: (workdir / "log.jsonl").exists())
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        _wait_for(lambda: not _is_alive(child))
        self.assertIn("stopped by SIGTERM", (workdir / "output.txt").read_text())


def _wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def _trainer(workdir):
    """The process that trains in a folder."""
    found = subprocess.run(
        ["pgrep", "-f", f" train --.*--workdir={workdir}"], capture_output=True, text=True
    ).stdout.split()
    return int(found[0]) if found else None


def _is_alive(process):
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


if __name__ == "__main__":
    absltest.main()
