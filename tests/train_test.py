"""Tests of kdcl_tf.train: what it tells; `programs_test` runs it whole."""

import json
import subprocess
import sys

from absl.testing import absltest

from kdcl_tf.classification import report
from kdcl_tf.classification.settings import Settings
from kdcl_tf.files.identity import Identity
from kdcl_tf.training.workdir import Workdir
from tests import in_process
from tests.classification.report_test import RESULT


class MainTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = Workdir(self.create_tempdir().full_path)
        self.workdir.record(Settings())

    def test_a_complete_run_is_only_told(self):
        found = Identity(Settings().as_flags(), {}).facts
        self.workdir.write_result({**RESULT, "identity": found, "places": {}})
        done = in_process.run("train", f"--workdir={self.workdir.path}")
        head = f"{self.workdir.path} holds this run, complete; nothing is trained\n"
        self.assertEqual(done.stdout, head + report.of_run(RESULT, self.workdir.path) + "\n")
        self.assertContainsSubset(json.loads(json.dumps(RESULT)), self.workdir.result)

    def test_a_folder_of_other_flags_is_refused_with_each_of_them(self):
        flags = (f"--workdir={self.workdir.path}", "--seed=1", "--noinvariant")
        done = in_process.run("train", *flags)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr,
            r"^.*was made with other flags: --invariant=true \(now false\), --seed=0 \(now 1\); "
            "pass those, or another --workdir\n$",
        )


class ImportTest(absltest.TestCase):
    def test_settings_need_no_tensorflow(self):
        code = (
            "import sys; from kdcl_tf.classification.settings import Settings; Settings();"
            "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
        )
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)


if __name__ == "__main__":
    absltest.main()
