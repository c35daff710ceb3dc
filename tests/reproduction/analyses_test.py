"""Tests of kdcl_tf.reproduction.analyses, on students of real runs."""

import json
import pathlib
import shutil

import pytest
from absl.testing import absltest

from kdcl_tf.reproduction import analyses, proof
from kdcl_tf.reproduction.analyses import Analysis
from kdcl_tf.reproduction.plan import Run
from tests import in_process
from tests.reproduction.written_runs import SHORT_RUN

_TABLE = "table"


class AnalysesTest(absltest.TestCase):
    def test_they_are_of_runs_of_the_proof(self):
        folder = pathlib.Path("out")
        runs = proof.runs(proof.PARTS, folder)
        planned = {(run.workdir.parent.parent.name, run.row) for run in runs if run.seed == 0}
        names = [each.name for each in analyses.ANALYSES]
        self.assertLen(set(names), len(names))
        for each in analyses.ANALYSES:
            self.assertContainsSubset({(each.folder, row) for row in each.rows}, planned)
            with self.assertRaisesRegex(analyses.NotReady, f"^{each.name}: waits for "):
                analyses.arguments(each, runs, folder)

    @pytest.mark.slow
    def test_they_are_made_once_when_their_runs_are_complete(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        runs = [
            Run(row, 0, folder / _TABLE / row / "seed0", SHORT_RUN)
            for row in ("one", "two", "three")
        ]
        for run in runs[:2]:
            done = in_process.run("train", *run.arguments, f"--workdir={run.workdir}")
            self.assertEqual(done.returncode, 0, done.stderr)
        made = [
            Analysis("spread", "spread", "of both students", _TABLE, ("one", "two")),
            Analysis("second", "overfitting", "of the second", _TABLE, ("one", "two"), 1),
            Analysis("waiting", "spread", "of the third", _TABLE, ("one", "three")),
        ]
        lines = []
        analyses.analyse(made, runs, folder, say=lines.append)
        self.assertEqual(lines[2], "waiting: waits for three")
        spread = json.loads(analyses.output(made[0], folder).read_text())
        self.assertLen(spread["numbers"], 4)
        second = json.loads(analyses.output(made[1], folder).read_text())
        self.assertLen(second["numbers"], 2)
        self.assertEqual([pathlib.Path(each).name for each in second["students"]],
                         ["resnet8_2", "resnet8_2"])  # fmt: skip
        lines.clear()
        analyses.analyse(made, runs, folder, say=lines.append)
        self.assertEqual(lines[:2], ["spread: done already", "second: done already"])

        # Another run of the same flags and another seed has students in the same place.
        shutil.rmtree(runs[1].workdir)
        done = in_process.run("train", *SHORT_RUN, "--seed=1", f"--workdir={runs[1].workdir}")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines.clear()
        analyses.analyse(made[:1], runs, folder, say=lines.append)
        self.assertRegex(lines[0], "^spread: made anew, .*is of other students than .*/two/seed0")
        again = json.loads(analyses.output(made[0], folder).read_text())
        unchanged = [a == b for a, b in zip(spread["digests"], again["digests"])]
        self.assertEqual(unchanged, [True, True, False, False])

    def test_one_that_fails_is_named_with_its_reason(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        run = Run("one", 0, folder / _TABLE / "one" / "seed0", SHORT_RUN)
        run.workdir.mkdir(parents=True)
        (run.workdir / "result.json").write_text("{}")
        made = [Analysis("spread", "spread", "of nothing", _TABLE, ("one",))]
        with self.assertRaisesRegex(analyses.AnalysisFailed, "^spread: .*one/seed0"):
            analyses.analyse(made, [run], folder, say=str)


if __name__ == "__main__":
    absltest.main()
