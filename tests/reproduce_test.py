"""Tests of kdcl-reproduce, as a program where it is killed or stopped."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest
from absl.testing import absltest

from kdcl_tf import reproduce
from kdcl_tf.files.identity import Identity
from kdcl_tf.reproduction import plan
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.training.interruption import SIGNALS
from kdcl_tf.training.workdir import Workdir
from tests import in_process

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Table 7 has every method, and takes minutes: KDCL_REPRODUCE_TABLE=7 bash tools/test.sh -k killed
_TABLE = TABLES[os.environ.get("KDCL_REPRODUCE_TABLE", "10")]
# The caller for those who work in a clone.
_COMMAND = [sys.executable, str(_ROOT / "tools" / "reproduce.py"), "--scale=digits", "--seeds=1"]


def _start(folder, *more, table="10"):
    return subprocess.Popen(
        [*_COMMAND, f"--folder={folder.name}", f"--table={table}", *more],
        cwd=folder.parent,
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


def _in_process(folder, *more, table="10"):
    flags = (f"--folder={folder}", f"--table={table}", *more)
    done = in_process.run("reproduce", *_COMMAND[2:], *flags)
    return done.returncode, done.stdout + done.stderr


def _train_whole(folder):
    """The table's runs without a break, in this process; seconds of the longest."""
    longest = 0.0
    for run in plan.plan(_TABLE, scales.scale("digits", _TABLE), 1, folder):
        began = time.monotonic()
        done = in_process.run("train", *run.arguments, f"--workdir={run.workdir}")
        assert done.returncode == 0, done.stderr
        longest = max(longest, time.monotonic() - began)
    return longest


def _kill_everything(process, begun, seconds):
    """SIGKILL for the program and the training it waits for, so long after `begun` is there."""
    deadline = time.monotonic() + 300
    while not begun.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no {begun}: {process.communicate()}")
        time.sleep(0.05)
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

    @pytest.mark.slow
    def test_killed_at_three_moments_it_ends_with_the_same_table(self):
        whole, broken = self.folder / "whole", self.folder / "broken"
        longest, rows = _train_whole(whole), len(_TABLE.rows)
        status, output = _in_process(whole, table=_TABLE.number)
        self.assertEqual(status, 0, output)
        self.assertIn(f"[{rows}/{rows}] ", output)
        # After the start of a run, up to the time that a whole one takes: in three runs or, when
        # one ends before, between two.
        moments = [random.Random(time.time_ns()).uniform(0.0, longest) for _ in range(3)]
        for index, seconds in enumerate(moments):
            begun = broken / _TABLE.rows[index * rows // 3].name / "seed0" / "flags.txt"
            _kill_everything(_start(broken, table=_TABLE.number), begun, seconds)
        status, output = _finish(broken, table=_TABLE.number)
        self.assertEqual(status, 0, f"killed after {moments} s\n{output}")
        self.assertIn(f"[{rows}/{rows}] ", output)
        self.assertEqual(_numbers(broken), _numbers(whole), moments)
        self.assertLen(_numbers(whole), rows)
        self.assertEqual(_table(broken), _table(whole), moments)
        print(f"{rows} rows, killed after {moments} s: the same table")

    def test_shards_make_one_report(self):
        runs = plan.plan(TABLES["10"], scales.scale("digits", TABLES["10"]), 1, self.folder)
        planned = {run.row: run for run in runs}
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
                settings = planned[rows[index]].settings
                result["identity"] = Identity(settings.as_flags(), {}).facts
                Workdir(workdir).write_result(result)
        status, output = _in_process(self.folder, "--shard=2/3")
        self.assertEqual(status, 0, output)
        self.assertIn("[1/1] cutout_general_icl, seed 0: complete already, a 50.00%", output)
        self.assertIn("2 of 3 runs are complete", (self.folder / "report.md").read_text())

    def test_bad_flags_are_refused_before_any_work(self):
        for flag, message in (
            ("--shard=3/3", "--shard: expected i/n with i from 0 to n - 1, .*; got '3/3'"),
            ("--scale=huge", "should be one of"),
            ("--seeds=0", "--seeds.*(lower bound|positive|1)"),
        ):
            status, output = _in_process(self.folder / "none", flag)
            self.assertEqual(status, 1)
            self.assertRegex(output, f"(?i){message}")
            self.assertLen(output.strip().splitlines(), 1)
        status, output = _in_process(self.folder / "none", "--scale=full", table="length")
        self.assertEqual(status, 1)
        self.assertIn("--table=length: expected --scale=small or digits; got full", output)
        self.assertFalse((self.folder / "none").exists())

    def test_signals_are_handled_as_before_it_ran(self):
        before = [signal.getsignal(number) for number in SIGNALS]
        self.assertIsNone(reproduce.complete([], []))
        self.assertEqual([signal.getsignal(number) for number in SIGNALS], before)

    @pytest.mark.slow
    def test_a_signal_stops_it_when_its_run_has_saved(self):
        folder = self.folder / "stopped"
        process = _start(folder)
        log = folder / "cutout_vanilla" / "seed0" / "log.jsonl"
        deadline = time.monotonic() + 300
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.assertIn("stopped by SIGTERM; the same command continues", output)
        self.assertNotIn("Traceback", output)
        self.assertTrue(list(log.parent.glob("checkpoints/step-*")))

    def test_the_report_has_the_folder_in_its_command_and_not_where_it_was(self):
        status, output = _in_process(self.folder, "--scale=small", "--report_only")
        self.assertEqual(status, 0, output)
        told = (self.folder / "report.md").read_text()
        self.assertIn("--seeds=1 --data_dir=DIR --folder=FOLDER", told)
        self.assertNotIn(str(self.folder), told)

    def test_a_run_that_fails_is_named_with_its_reason(self):
        status, output = _in_process(self.folder, "--scale=small", "--data_dir=/nowhere")
        self.assertEqual(status, 1)
        self.assertIn("reproduce: cutout_vanilla, seed 0: ", output)
        self.assertIn("/nowhere", output)


if __name__ == "__main__":
    absltest.main()
