"""Tests of tools/verifying/runs.py: real runs of kdcl-train."""

import json
import pathlib

import pytest
import tensorflow as tf
from verifying import findings, runs
from verifying.machine import Machine

_SHORT = ("--students=resnet8", "--epochs=1", "--evaluate_every=1")


class RunsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.machine = Machine()
        self.runs = runs.Runs(self.machine, pathlib.Path(self.create_tempdir().full_path))

    def _verdicts(self, check):
        return [each.verdict for each in check(self.machine, self.runs)]

    @pytest.mark.slow
    def test_runs_that_are_stopped_or_take_several_steps_at_once_are_the_same(self):
        self.assertEqual(self._verdicts(runs.resumed), [findings.PASSED])
        self.assertEqual(self._verdicts(runs.steps_per_loop), [findings.PASSED])

    @pytest.mark.slow
    def test_in_float16_and_compiled(self):
        self.assertEqual(self._verdicts(runs.float16), [findings.PASSED] * 2)
        self.assertEqual(self._verdicts(runs.compiled), [findings.PASSED])

    @pytest.mark.slow
    def test_a_detector_trains(self):
        self.assertEqual(self._verdicts(runs.detector), [findings.PASSED])

    @pytest.mark.slow
    def test_another_run_is_seen_and_so_is_what_is_not_finite(self):
        one = self.runs.whole(*_SHORT)
        self.assertIs(self.runs.whole(*_SHORT), one)
        other = self.runs.whole(*_SHORT, "--learning_rate=0.01")
        self.assertGreater(runs._difference(one, other), 1e-3)
        with self.assertRaisesRegex(RuntimeError, "the run has no loss scale"):
            runs._count_not_finite(one)
        half = self.runs.whole(*_SHORT, "--precision=float16")
        with open(half / "log.jsonl", "a") as log:
            log.write(json.dumps({"loss": float("nan"), "note": None}) + "\n")
        self.assertEqual(runs._count_not_finite(half), 1)

    def test_a_run_that_fails_is_a_failure_with_its_line(self):
        self.runs.whole = lambda *flags: runs.Runs._whole(self.runs, "--batch_size=0")
        (found,) = runs.steps_per_loop(self.machine, self.runs)
        self.assertEqual(found.verdict, findings.FAILED)
        self.assertRegex(found.reason, "RuntimeError: kdcl-train: .*batch_size")

    def test_a_tpu_has_no_float16_compiles_everything_and_trains_no_detector(self):
        self.machine.kind = "TPU"
        self.assertEqual(self._verdicts(runs.float16), [findings.NOT_APPLICABLE] * 2)
        self.assertEqual(self._verdicts(runs.compiled), [findings.NOT_APPLICABLE])
        self.assertEqual(self._verdicts(runs.detector), [findings.NOT_APPLICABLE])


if __name__ == "__main__":
    tf.test.main()
