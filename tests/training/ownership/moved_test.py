"""Tests of kdcl_tf.training.ownership.moved."""

from absl.testing import absltest

from kdcl_tf.training import ownership
from kdcl_tf.training.workdir import Workdir
from tests.training.ownership.folders import FolderTestCase, Settings


class MovedTest(FolderTestCase):
    def test_folders_of_others_beside_a_run_are_passed_over(self):
        runs = self.workdir.path / "runs"
        for name in ("moved", "other"):
            Workdir(runs / name).record(Settings())
        (runs / "other" / "flags.txt").unlink()
        (runs / "other" / "flags.txt").mkdir()
        now = Settings(dataset="folder:/new")
        self.assertEqual(ownership.moved_runs(runs, now), [runs / "moved"])


if __name__ == "__main__":
    absltest.main()
