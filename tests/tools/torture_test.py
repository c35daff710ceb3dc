"""Tests of tools/torture.py: a fault of each kind in real runs, and how they are counted."""

import json
import pathlib
import subprocess
import sys

import pytest
import torture
from absl.testing import absltest
from torturing import bench, faults, programs, runs

# A disk of its own needs the rights of root.
_KINDS = [each.kind for each in faults.FAULTS if "too small" not in each.kind]


class TortureTest(absltest.TestCase):
    @pytest.mark.slow
    def test_runs_come_through_a_fault_of_every_kind(self):
        # A process of its own: runs are forks of it, which TensorFlow must not have computed in.
        folder = pathlib.Path(self.create_tempdir().full_path)
        flags = [f"--faults={len(_KINDS)}", f"--kinds={','.join(_KINDS)}", "--seed=1"]
        done = subprocess.run(
            [sys.executable, torture.__file__, *flags, f"--output={folder}"],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr[-5000:])
        found = [json.loads(line) for line in (folder / "faults.jsonl").read_text().splitlines()]
        self.assertEqual([each["kind"] for each in found], _KINDS)
        for each in found:
            # Every step is saved: one may be under way.
            if "SIGKILL" in each["kind"]:
                self.assertLessEqual(each["lost_steps"], 1, each)
        self.assertIn(f"| all | {len(found)} |", done.stdout)

    def test_a_plan_has_every_kind_and_repeats_itself(self):
        chosen = torture.plan(300, [], seed=0)
        self.assertLen(chosen, 300)
        self.assertEqual({fault for _, fault, _ in chosen}, set(faults.FAULTS))
        self.assertEqual(chosen, torture.plan(300, [], seed=0))
        self.assertLen({seed for _, _, seed in chosen}, 300)
        kinds = {fault.kind for _, fault, _ in torture.plan(5, ["twice"], 0)}
        self.assertEqual(kinds, {"SIGTERM twice"})
        with self.assertRaisesRegex(ValueError, "expected --kinds to be parts of SIGKILL"):
            torture.plan(5, ["twice", "meteor"], 0)

    def test_steps_that_were_trained_twice_are_counted(self):
        ended = runs.Ended(0, "continuing at epoch 2, step 3 of 4\n", "", 1.0)
        self.assertEqual(bench.lost_steps(8, ended, programs.CLASSIFIER), 1)
        self.assertEqual(bench.lost_steps(7, ended, programs.CLASSIFIER), 0)
        self.assertEqual(bench.lost_steps(3, runs.Ended(0, "", "", 1.0), programs.CLASSIFIER), 3)

    def test_the_table_counts_by_kind(self):
        kinds = [each.kind for each in faults.FAULTS]
        verdicts = (
            (kinds[0], "survived"),
            (kinds[0], "wrong result"),
            (kinds[1], "traceback"),
            (kinds[1], "hang"),
            (kinds[1], "refused as it should be"),
            (kinds[1], "refused"),
            (kinds[1], "status 7"),
        )
        found = [{"kind": kind, "verdict": verdict, "lost_steps": 2} for kind, verdict in verdicts]
        lines = torture.table(found).splitlines()
        self.assertEqual(lines[2], f"| {kinds[0]} | 2 | 1 | 0 | 1 | 4 | 0 | 0 | 0 |")
        self.assertEqual(lines[3], f"| {kinds[1]} | 5 | 0 | 1 | 0 | 10 | 1 | 1 | 2 |")
        self.assertEqual(lines[4], "| all | 7 | 1 | 1 | 1 | 14 | 1 | 1 | 2 |")


if __name__ == "__main__":
    absltest.main()
