"""Tests of tools/publish.py: what is published is what the JSON lines say."""

import contextlib
import io
import pathlib
import re
import shutil
import subprocess
import tempfile
from unittest import mock

import publish
from absl.testing import absltest

from kdcl_tf.reproduction import analyses, collecting, proof
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.reproduction.reporting.proof import report
from kdcl_tf.training.run_files import read_result
from tests import in_process


class PublishedTest(absltest.TestCase):
    """Of what is committed."""

    def test_the_report_is_what_the_json_lines_make(self):
        self.assertEqual((publish.PROOF / "report.md").read_text(), report.markdown(publish.PROOF))

    def test_the_table_of_the_results_is_what_the_json_lines_make(self):
        text = (publish.RESULTS / "README.md").read_text()
        self.assertEqual(publish.with_table(text, report.summary(publish.PROOF)), text)

    def test_every_published_run_holds_and_is_planned(self):
        planned = {run.workdir: run for run in proof.runs(proof.PARTS, publish.PROOF)}
        for path in publish.PROOF.rglob("result.json"):
            run = planned[path.parent]
            copy = pathlib.Path(self.create_tempdir().full_path)
            # Raises for one that does not hold.
            collecting.collect(run, copy, [*publish.published().values()])
            for name in ("log.jsonl", "result.json"):
                self.assertEqual((copy / name).read_text(), (path.parent / name).read_text(), path)

    def test_the_command_of_the_results_lets_the_proof_go_on_after_them(self):
        text = (publish.RESULTS / "README.md").read_text()
        (command,) = re.findall(r"`([^`]*cp -r results/proof/[^`]*)`", text)
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "results").symlink_to(publish.RESULTS)
        subprocess.run(["bash", "-c", command], cwd=folder, check=True)
        complete = [run for run in proof.runs(proof.PARTS, folder / "runs") if run.is_complete]
        self.assertLen(complete, len(publish.published()))

    def test_only_json_is_published_and_no_path_of_a_machine(self):
        for path in publish.PROOF.rglob("*"):
            if path.is_file() and path.name != "report.md":
                self.assertIn(path.suffix, (".json", ".jsonl"))
                self.assertNotIn(': "/', path.read_text(), path)

    def test_the_results_are_small(self):
        self.assertLess(collecting.size(publish.RESULTS), publish.MOST_MEGABYTES * 1e6)

    def test_there_is_room_for_all_that_is_planned(self):
        planned = {run.workdir: run for run in proof.runs(proof.PARTS, publish.PROOF)}
        there = [path.parent for path in publish.PROOF.rglob("result.json")]
        logs = sum((path / "log.jsonl").stat().st_size for path in there)
        per_epoch = logs / sum(planned[path].settings.epochs for path in there)
        per_result = sum((path / "result.json").stat().st_size for path in there) / len(there)
        to_come = sum(
            per_epoch * run.settings.epochs + per_result
            for path, run in planned.items()
            if path not in there
        )
        of_analyses = 0.6e6
        size = collecting.size(publish.RESULTS) + to_come + of_analyses
        self.assertLess(size, publish.MOST_MEGABYTES * 1e6)


class PublishTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Trains a real run of digits, copied by tests to the places of the proof's."""
        super().setUpClass()
        made = tempfile.TemporaryDirectory()
        cls.addClassCleanup(made.cleanup)
        cls.flags = ("--students=resnet8,resnet8", "--train_per_class=2", "--ensemble=min_logit",
                     "--holdout_per_class=0", "--epochs=2", "--milestones=")  # fmt: skip
        cls.made = pathlib.Path(made.name) / "run"
        done = in_process.run("train", *cls.flags, f"--workdir={cls.made}")
        assert done.returncode == 0, done.stderr

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.runs, self.proof = self.folder / "runs", self.folder / "results" / "proof"
        self.proof.mkdir(parents=True)
        self.readme = self.proof.parent / "README.md"
        self.readme.write_text(f"Before.\n\n{publish.BEGIN}\n{publish.END}\n\nAfter.\n")
        for name, value in (("RESULTS", self.proof.parent), ("PROOF", self.proof)):
            self.enter_context(mock.patch.object(publish, name, value))

    def _run_of(self, row):
        run = Run(row, 0, self.runs / "table7_small" / row / "seed0", self.flags)
        shutil.copytree(self.made, run.workdir)
        return run

    def test_what_is_complete_and_holds_is_copied_and_told(self):
        whole, broken = self._run_of("vanilla"), self._run_of("dml")
        lines = (broken.workdir / "log.jsonl").read_text().splitlines(keepends=True)
        (broken.workdir / "log.jsonl").write_text(lines[0])
        going_on = Run("naive", 0, self.runs / "table7_small" / "naive" / "seed0", whole.arguments)
        going_on.workdir.mkdir(parents=True)
        (going_on.workdir / "log.jsonl").write_text(lines[0])
        new = Run("one", 0, self.runs / "table7_small" / "one" / "seed0", whole.arguments)
        with mock.patch.object(proof, "runs", lambda *_: [whole, broken, going_on, new]):
            done = in_process.run("publish", f"--runs={self.runs}", "--nopictures")
        self.assertEqual(done.returncode, 1)
        self.assertIn("table7_small, dml, seed 0: expected the epochs 1 to 2", done.stderr)
        self.assertIn("not complete: table7_small, naive, seed 0: 1 of 2 epochs", done.stdout)
        self.assertIn("not begun: 1 runs", done.stdout)
        copies = [path.relative_to(self.proof).as_posix() for path in self.proof.rglob("*.json*")]
        of_run = "table7_small/vanilla/seed0"
        self.assertCountEqual(copies, [f"{of_run}/log.jsonl", f"{of_run}/result.json"])
        accuracy = 100 * read_result(whole.workdir)["students"]["resnet8"]["accuracy"]
        text = self.readme.read_text()
        self.assertStartsWith(text, "Before.\n")
        self.assertEndsWith(text, "After.\n")
        self.assertIn(f"| Vanilla | {accuracy:.2f} |", text)
        self.assertIn("1 of 25 runs are complete", (self.proof / "report.md").read_text())

    def test_an_analysis_of_runs_that_are_not_copied_is_refused(self):
        analysis = analyses.ANALYSES[0]
        path = analyses.output(analysis, self.runs)
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        with contextlib.redirect_stdout(io.StringIO()):
            (told,) = publish.collect(self.runs)
        self.assertRegex(told, "expected runs that are published; not so vanilla, dml, ")

    def test_what_is_published_from_before_is_told(self):
        run = self._run_of("vanilla")
        with mock.patch.object(proof, "runs", lambda *_: [run]):
            done = in_process.run("publish", f"--runs={self.runs}", "--nopictures")
            self.assertEqual(done.returncode, 0, done.stderr)
            former = self.proof / "table7_small" / "vanilla" / "seed0"
            (run.workdir / "result.json").unlink()
            done = in_process.run("publish", f"--runs={self.runs}", "--nopictures")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"seed 0: 2 of 2 epochs; {former}, from before, stays", done.stdout)
        with mock.patch.object(proof, "runs", lambda *_: []):
            done = in_process.run("publish", f"--runs={self.runs}", "--nopictures")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{former} is of no run of the proof", done.stderr)

    def test_results_that_are_too_large_are_refused(self):
        (self.proof / "large.json").write_bytes(bytes(6_000_001))
        with self.assertRaisesRegex(ValueError, "expected results/ below 6 MB; got 6.0"):
            publish.check_size()

    def test_bad_input_is_told_in_a_line(self):
        damaged = self.proof / "table7_small" / "vanilla" / "seed0"
        damaged.mkdir(parents=True)
        (damaged / "result.json").write_text("{")
        for flag, message in (
            ("--runs=/nowhere", "--runs: expected the folder of the runs .*; got /nowhere"),
            ("--nopictures", "vanilla/seed0/result.json is damaged"),
        ):
            done = in_process.run("publish", flag)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, message)
            self.assertLen(done.stderr.strip().splitlines(), 1)

    def test_a_text_without_its_marks_is_refused(self):
        for text in (
            "",
            publish.BEGIN,
            f"{publish.END}{publish.BEGIN}",
            publish.BEGIN * 2 + publish.END,
        ):
            with self.assertRaisesRegex(ValueError, "once each"):
                publish.with_table(text, "table")


if __name__ == "__main__":
    absltest.main()
