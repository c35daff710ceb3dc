"""Tests of tools/prove.py and tools/analyse.py, on tiny runs in the place of the proof's."""

import json
import pathlib
from unittest import mock

import pytest
from absl.testing import absltest

from kdcl_tf.reproduction import analyses, proof
from kdcl_tf.reproduction.analyses import Analysis
from kdcl_tf.reproduction.plan import Run
from tests import in_process
from tests.reproduction.written_runs import SHORT_RUN


class ProveTest(absltest.TestCase):
    def test_the_list_has_every_run_of_the_parts_and_runs_nothing(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        done = folder / "table7_small" / "vanilla" / "seed0"
        done.mkdir(parents=True)
        (done / "result.json").write_text("{}")
        listed = in_process.run("prove", "--list", f"--folder={folder}", "--parts=length")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        lines = listed.stdout.splitlines()
        self.assertLen(lines, 12)
        self.assertIn(f"{done}, 100 epochs: done", lines)
        halves = [
            in_process.run("prove", "--list", f"--folder={folder}", "--parts=length",
                           f"--shard={index}/2").stdout.splitlines()
            for index in (0, 1)
        ]  # fmt: skip
        self.assertCountEqual(halves[0] + halves[1], lines)
        self.assertLen(halves[0], 6)

    def test_bad_flags_are_refused_in_a_line(self):
        for flag, message in (
            ("--parts=everything", "expected --parts among methods, .*; got everything"),
            ("--shard=2/2", "--shard: expected i/n"),
        ):
            done = in_process.run("prove", flag)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, message)
            self.assertLen(done.stderr.strip().splitlines(), 1)

    @pytest.mark.slow
    def test_runs_are_made_once_and_then_analysed(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        run = Run("vanilla", 0, folder / "table" / "vanilla" / "seed0", SHORT_RUN)
        made = [Analysis("spread", "spread", "deviation", "table", ("vanilla",))]
        self.enter_context(mock.patch.object(proof, "runs", lambda *_: [run]))
        self.enter_context(mock.patch.object(analyses, "ANALYSES", made))
        waits = in_process.run("analyse", f"--folder={folder}")
        self.assertEqual((waits.returncode, waits.stdout), (0, "spread: waits for vanilla\n"))
        for words in ("vanilla, seed 0: resnet8 ", "vanilla, seed 0: complete already"):
            done = in_process.run("prove", f"--folder={folder}")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(words, done.stdout)
        done = in_process.run("analyse", f"--folder={folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        numbers = json.loads((folder / "table" / "analyses" / "spread.json").read_text())["numbers"]
        self.assertLen(numbers, 2)


if __name__ == "__main__":
    absltest.main()
