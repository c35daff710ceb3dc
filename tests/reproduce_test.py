"""Tests of tools/reproduce.py, as a program where it is killed or stopped."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

from absl.testing import absltest

from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests import in_process

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Table 7 has every method, and takes minutes: KDCL_REPRODUCE_TABLE=7 bash tools/test.sh -k killed
_TABLE = TABLES[os.environ.get("KDCL_REPRODUCE_TABLE", "10")]
_COMMAND = [sys.executable, "tools/reproduce.py", "--scale=digits", "--seeds=1"]


def _start(folder, *more, table="10"):
    return subprocess.Popen(
        [*_COMMAND, f"--folder={folder}", f"--table={table}", *more],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish(folder, *more, table="10"):
    process = _start(folder, *more, table=table)
    output, _ = process.communicate(timeout=3600)
    return process.returncode, output


def _in_process(folder, *more):
    done = in_process.run("reproduce", *_COMMAND[2:], f"--folder={folder}", "--table=10", *more)
    return done.returncode, done.stdout + done.stderr


def _kill_everything(process, seconds):
    """SIGKILL for the program and the training it waits for, unless it is done by then."""
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _numbers(folder):
    """The students' results, run by run, without what the clock says."""
    return {
        path.parent.parent.name: json.loads(path.read_text())["students"]
        for path in sorted(folder.glob("*/seed0/result.json"))
    }


def _table(folder):
    text = (folder / "report.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return lines[: 2 + len(_TABLE.rows)]


class ReproduceTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_killed_at_three_moments_it_ends_with_the_same_table(self):
        whole, broken = self.folder / "whole", self.folder / "broken"
        began = time.monotonic()
        status, output = _finish(whole, table=_TABLE.number)
        self.assertEqual(status, 0, output)
        rows = len(_TABLE.rows)
        self.assertIn(f"[{rows}/{rows}] ", output)
        # Together within the time that it takes.
        longest = (time.monotonic() - began) / 3
        moments = [random.Random(time.time_ns()).uniform(3.0, longest) for _ in range(3)]
        for seconds in moments:
            _kill_everything(_start(broken, table=_TABLE.number), seconds)
        status, output = _finish(broken, table=_TABLE.number)
        self.assertEqual(status, 0, f"killed after {moments} s\n{output}")
        self.assertEqual(_numbers(broken), _numbers(whole), moments)
        self.assertLen(_numbers(whole), rows)
        self.assertEqual(_table(broken), _table(whole), moments)
        print(f"{rows} rows, killed after {moments} s: the same table")

    def test_shards_make_one_report(self):
        for index in (0, 1, 2):
            rows = ("cutout_vanilla", "cutout_general", "cutout_general_icl")
            workdir = self.folder / rows[index] / "seed0"
            workdir.mkdir(parents=True)
            students = {name: {"accuracy": 0.5, "train_accuracy": 0.5} for name in "ab"}
            result = {
                "students": students,
                "seconds": 1.0,
                "images_per_second": 1.0,
                "epochs": 4,
                "data": {"name": "x", "num_train": 1, "num_held_out": 1, "num_test": 1},
                "versions": {},
            }
            if index != 1:
                (workdir / "result.json").write_text(json.dumps(result))
        status, output = _in_process(self.folder, "--shard=2/3")
        self.assertEqual(status, 0, output)
        self.assertIn("[1/1] cutout_general_icl, seed 0: complete already, a 50.00%", output)
        self.assertIn("2 of 3 runs are complete", (self.folder / "report.md").read_text())

    def test_bad_flags_are_refused_before_any_work(self):
        for flag, message in (
            ("--shard=3/3", "--shard: expected i/n with i from 0 to n - 1, .*; got '3/3'"),
            ("--scale=huge", "should be one of"),
            ("--seeds=0", "lower bound"),
        ):
            status, output = _in_process(self.folder / "none", flag)
            self.assertEqual(status, 1)
            self.assertRegex(output, f"(?i){message}|seeds")
            self.assertLen(output.strip().splitlines(), 1)
        self.assertFalse((self.folder / "none").exists())

    def test_a_signal_stops_it_when_its_run_has_saved(self):
        process = _start(self.folder)
        log = self.folder / "cutout_vanilla" / "seed0" / "log.jsonl"
        deadline = time.monotonic() + 300
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.assertIn("stopped by SIGTERM; the same command continues", output)
        self.assertNotIn("Traceback", output)
        self.assertTrue(list(log.parent.glob("checkpoints/step-*")))

    def test_a_run_that_fails_is_named_with_its_reason(self):
        status, output = _in_process(self.folder, "--scale=small", "--data_dir=/nowhere")
        self.assertEqual(status, 1)
        self.assertIn("reproduce: cutout_vanilla, seed 0: ", output)
        self.assertIn("/nowhere", output)


if __name__ == "__main__":
    absltest.main()
