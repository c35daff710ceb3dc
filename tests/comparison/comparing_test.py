"""Tests of kdcl_tf.comparison.comparing, with real runs, one of them stopped and continued."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from absl.testing import absltest

from kdcl_tf.comparison import comparing
from kdcl_tf.files import identity
from tests import class_folder, in_process

_SMALL = ("--students=resnet8", "--image_size=8", "--train_per_class=2", "--batch_size=20")
_FLAGS = ("--compare", *_SMALL, "--epochs=15", "--milestones=", "--checkpoint_seconds=0")


class PlacesTest(absltest.TestCase):
    def test_a_model_that_is_gone_is_not_said_to_be_there(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        names = ("kept", "lost")
        for name in names:
            path = folder / "students" / name
            path.mkdir(parents=True)
            ran = {"settings": {}, "data": {}}
            facts = {"student": name, "identity": ran, "checksums": {}}
            (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        exports = [f"students/{name}" for name in names]
        members = {name: {"saved_model": path} for name, path in zip(names, exports, strict=True)}
        result = {"identity": ran, "exports": exports, "students": members}
        there = [f"  {folder / path}" for path in exports]
        self.assertEqual(comparing.places(result, folder)[2:4], there)
        (folder / "students" / "lost" / "student.json").unlink()
        kept, lost = comparing.places(result, folder)[2:4]
        self.assertEqual(kept, there[0])
        # Without a checkpoint, nothing exports it again.
        self.assertEqual(lost, f"{there[1]}, which is gone or not the run's")
        (folder / "checkpoints" / "step-000000001").mkdir(parents=True)
        self.assertEqual(
            comparing.places(result, folder)[3],
            f"{lost}: kdcl-export --workdir={folder} exports it again",
        )
        # Only a plot that is there is named.
        self.assertLen(comparing.places(result, folder), 4)
        (folder / "accuracy.png").touch()
        self.assertEqual(comparing.places(result, folder)[4], f"plot: {folder / 'accuracy.png'}")


@pytest.mark.slow
class ComparingTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.workdir = class_folder.make(cls) / "compared"
        cls.flags = (*_FLAGS, f"--workdir={cls.workdir}")
        cls.stopped = cls._stop_in_the_first_run()
        cls.log = (cls.workdir / "alone" / "seed0" / "log.jsonl").read_bytes()
        cls.done = in_process.run("train", *cls.flags)

    @classmethod
    def _stop_in_the_first_run(cls):
        process = subprocess.Popen(
            [sys.executable, "-m", "kdcl_tf.train", *cls.flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell's background ignores, a person's Ctrl-C does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 120
        while not (cls.workdir / "alone" / "seed0" / "log.jsonl").exists():
            if time.monotonic() > deadline or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess([], process.returncode, stdout, stderr)

    def test_ctrl_c_stops_the_whole_and_saves(self):
        self.assertEqual(self.stopped.returncode, 130, self.stopped.stderr)
        self.assertRegex(self.stopped.stderr, r"^\S+: stopped by SIGINT; .*the same command .*\n$")
        self.assertNotIn("Test accuracy", self.stopped.stdout)
        output = (self.workdir / "alone" / "seed0" / "output.txt").read_text()
        self.assertIn("stopped by SIGTERM at epoch", output)

    def test_the_same_command_continues_and_prints_the_table(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        output = (self.workdir / "alone" / "seed0" / "output.txt").read_text()
        self.assertIn("continuing at epoch", output)
        log = (self.workdir / "alone" / "seed0" / "log.jsonl").read_bytes()
        self.assertStartsWith(log, self.log)
        results = {
            arm: json.loads((self.workdir / arm / "seed0" / "result.json").read_text())
            for arm in ("alone", "cohort")
        }
        self.assertEqual(results["alone"]["settings"]["method"], "independent")
        self.assertStartsWith(self.done.stdout, "one student alone learns from no other: pass two")
        # One student learns nothing from itself: only that of the labels.
        before, after = (results[arm]["students"]["resnet8"]["accuracy"] for arm in results)
        table = (self.workdir / "comparison.txt").read_text()
        self.assertIn(f"\n{table}", self.done.stdout)
        self.assertRegex(table, rf"\nresnet8 +{before:.2%} +{after:.2%} +\S+\n$")
        found = json.loads((self.workdir / "comparison.json").read_text())
        self.assertEqual(found["students"]["resnet8"]["cohort"], [after])
        self.assertEqual(found["settings"]["method"], "kdcl")
        for line in (
            f"  {self.workdir}/cohort/seed0/students/resnet8",
            f"numbers: {self.workdir}/",
        ):
            self.assertIn(line, self.done.stdout)

    def test_a_complete_comparison_trains_nothing(self):
        table = (self.workdir / "comparison.txt").read_text()
        began = (self.workdir / "cohort" / "seed0" / "result.json").stat().st_mtime
        done = in_process.run("train", *self.flags)
        self.assertEqual(done.stdout.count("complete already"), 2)
        self.assertIn(table, done.stdout)
        self.assertEqual((self.workdir / "cohort" / "seed0" / "result.json").stat().st_mtime, began)

    def test_seeds_that_are_complete_stay_in_the_table(self):
        workdir = class_folder.make(type(self)) / "seeds"
        command = ("--compare", *_SMALL, "--epochs=1", "--milestones=", f"--workdir={workdir}")
        both = in_process.run("train", *command, "--seeds=2")
        self.assertEqual(both.returncode, 0, both.stderr)
        table = (workdir / "comparison.txt").read_text()
        one = in_process.run("train", *command, "--seeds=1")
        self.assertEqual(json.loads((workdir / "comparison.json").read_text())["seeds"], [0, 1])
        self.assertIn(table, one.stdout)

    def test_other_settings_are_refused_before_anything_trains(self):
        for change in ("--learning_rate=0.5", "--seed=7 --learning_rate=0.5"):
            done = in_process.run("train", *self.flags, *change.split())
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(
                done.stderr, r"^.*seed0 was made with other flags: --learning_rate=.*\n$"
            )

    def test_a_run_that_fails_is_told_in_one_line_with_its_workdir(self):
        folder = self.workdir.parent / "none"
        done = in_process.run(
            "train", "--compare", f"--dataset=folder:{folder}", f"--workdir={folder}_compared"
        )
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr,
            rf"^\S+: alone, seed 0: .*is not there.*{folder}_compared/alone/seed0/.*\n$",
        )


if __name__ == "__main__":
    absltest.main()
