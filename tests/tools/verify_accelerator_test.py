"""Tests of tools/verify_accelerator.py: a line for each check, and the status."""

import pathlib
import subprocess
from unittest import mock

import verify_accelerator
from absl.testing import absltest
from verifying import cohorts

from tests import in_process

_SCRIPT = pathlib.Path(verify_accelerator.__file__).with_suffix(".sh")


def _main(*arguments):
    with mock.patch.object(cohorts, "METHODS", ("Independent",)):
        return in_process.run("verify_accelerator", "--nospeed", *arguments)


class VerifyAcceleratorTest(absltest.TestCase):
    def test_a_line_for_each_check_and_their_number(self):
        done = _main("--check=methods", "--check=mirrored")
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second, last = done.stdout.splitlines()
        self.assertRegex(first, "^method Independent: .* bound 1e-05: passed$")
        self.assertRegex(second, "^mirrored Independent: .* bound 1e-05: passed$")
        self.assertRegex(last, "^2 logical devices of kind CPU, .*: 2 of 2 checks passed or do not")

    def test_one_that_fails_is_the_status(self):
        with mock.patch.object(cohorts, "copy", side_effect=RuntimeError("no copy")):
            done = _main("--check=methods")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "FAILED: RuntimeError: no copy\n")
        self.assertRegex(done.stderr, r"^\S+: 1 of 1 checks failed: method Independent: [^\n]*\n$")

    def test_a_check_that_does_not_exist_is_one_line(self):
        done = _main("--check=everything")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^[^\n]*everything[^\n]*\n$")

    def test_the_script_is_one_that_a_shell_reads(self):
        subprocess.run(["bash", "-n", str(_SCRIPT)], check=True)


if __name__ == "__main__":
    absltest.main()
