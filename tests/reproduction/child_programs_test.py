"""Tests of kdcl_tf.reproduction.child_programs, each in a real process."""

import os
import pathlib
import subprocess

from absl.testing import absltest

from kdcl_tf.reproduction import child_programs


class CommandTest(absltest.TestCase):
    def _run(self, *arguments, **environment):
        folder = pathlib.Path(self.create_tempdir().full_path)
        # A module of Python's, and another kdcl_tf, that lie in the current folder by chance.
        (folder / "copy.py").write_text("raise SystemExit('the copy.py of this folder')")
        (folder / "kdcl_tf").mkdir()
        (folder / "kdcl_tf" / "__init__.py").write_text("raise SystemExit('another kdcl_tf')")
        return subprocess.run(
            child_programs.command("train", arguments),
            cwd=folder,
            # The paths of whoever runs the tests may begin with the current folder.
            env={**os.environ, "PYTHONPATH": "", **environment},
            capture_output=True,
            text=True,
        )

    def test_it_is_the_program_of_this_package_whatever_the_folder_has(self):
        done = self._run("--helpshort")
        self.assertIn("--distillation_weight", done.stdout, done.stderr)
        self.assertEqual(done.stderr, "")

    def test_nor_where_the_folder_is_left_out_anyway(self):
        done = self._run("--helpshort", PYTHONSAFEPATH="1")
        self.assertIn("--distillation_weight", done.stdout, done.stderr)

    def test_its_flags_are_those_that_are_given(self):
        done = self._run("--epochs=none")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("--epochs=none", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class EndTest(absltest.TestCase):
    def test_the_reason_is_the_last_line_or_the_signal(self):
        self.assertEqual(child_programs.end(1, "one\n\nkdcl-train: two\n \n"), "kdcl-train: two")
        self.assertEqual(child_programs.end(1, ""), "it printed nothing")
        killed = "ended by SIGKILL, as where memory was full"
        self.assertEqual(child_programs.end(-9, ""), killed)
        self.assertEqual(
            child_programs.end(-9, "epoch 2/9  20%\n"), f"{killed}, after: epoch 2/9  20%"
        )
        self.assertEqual(child_programs.end(-11, "a\n"), "ended by SIGSEGV, after: a")


if __name__ == "__main__":
    absltest.main()
