"""Tests of kdcl_tf.files.run_names."""

import json
import pathlib
import re

from absl.testing import absltest, parameterized

from kdcl_tf.files import run_names
from kdcl_tf.training import workdir

# A file by which a folder is known for a run's, and what is in it.
_MARKS = {
    "flags.txt": "# format 3\n--epochs=1\n--detector=mask\n",
    "result.json": '{"settings": {"epochs": 1, "detector": "mask"}}',
    "log.jsonl": '{"epoch": 1, "seconds": 2.5, "images_per_second": 9.1}\n{"epo',
    "checkpoints/step-000000007/manifest.json": "cut",
}


class RunNamesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path).resolve()

    def _write(self, name, text="{}"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test_all_that_a_workdir_lists_is_known(self):
        listed = re.findall(r"(?m)^([a-z_]+(?:\.[a-z]+|/))  ", workdir.__doc__)
        self.assertContainsSubset({"flags.txt", "checkpoints/", "result.json"}, listed)
        files = {name for name in listed if not name.endswith("/")}
        folders = {name.rstrip("/") for name in listed if name.endswith("/")}
        self.assertContainsSubset(files, set().union(*run_names.FILES.values()))
        self.assertContainsSubset(folders, set().union(*run_names.FOLDERS.values()))

    @parameterized.parameters(*_MARKS)
    def test_a_name_of_a_run_is_the_runs_whatever_is_left_of_it(self, mark):
        self._write(f"run/{mark}", _MARKS[mark])
        run = self.folder / "run"
        for name in ("result.json", "curves.png", "detector/a.png", "checkpoints/x/y.json"):
            self.assertEqual(run_names.run_of(run / name), run, name)
        for name in ("scores.json", "a.png", "analyses/result.json", "students/scores.json"):
            self.assertIsNone(run_names.run_of(run / name), name)
        (self.folder / "link.json").symlink_to(run / "curves.png")
        (self.folder / "other").symlink_to(run)
        self.assertEqual(run_names.run_of(self.folder / "link.json"), run)
        other = self.folder / "other"
        self.assertEqual(run_names.run_of(other / "log.jsonl"), other)
        # Another file, where capital letters make a difference.
        is_same = (run / mark.upper()).exists()
        self.assertEqual(run_names.run_of(run / "RESULT.json") is None, not is_same)

    def test_a_classifier_and_a_detector_have_names_of_their_own(self):
        self._write("run/flags.txt", "--epochs=1\n--seed=0\n--method=kdcl\n")
        run = self.folder / "run"
        for name in ("accuracy.png", "held_out.txt", "log.jsonl"):
            self.assertEqual(run_names.run_of(run / name), run, name)
        for name in ("curves.png", "detections.json", "detector/a.png"):
            self.assertIsNone(run_names.run_of(run / name), name)
        self._write("run/flags.txt", "--epochs=1\n--seed=0\n--detector=mask\n")
        self.assertEqual(run_names.run_of(run / "curves.png"), run)
        self.assertIsNone(run_names.run_of(run / "accuracy.png"))

    def test_a_link_in_a_run_is_the_runs_wherever_it_leads(self):
        # As a store of large files makes them.
        self._write("run/flags.txt", "# format 3\n--epochs=1\n")
        run = self.folder / "run"
        self._write("store/ab12")
        (run / "result.json").symlink_to(self.folder / "store" / "ab12")
        (run / "checkpoints").symlink_to(self.folder / "store")
        for name in ("result.json", "checkpoints/ab12"):
            self.assertEqual(run_names.run_of(run / name), run, name)
        self.assertIsNone(run_names.run_of(self.folder / "store" / "ab12"))

    def test_a_comparison_has_names_of_its_own(self):
        self._write("both/comparison.json", json.dumps({"seeds": [0]}))
        both = self.folder / "both"
        self.assertIsNone(run_names.run_of(both / "comparison.json"))
        (both / "cohort" / "seed0").mkdir(parents=True)
        self.assertEqual(run_names.run_of(both / "comparison.json"), both)
        self.assertIsNone(run_names.run_of(both / "result.json"))
        # One that goes on has no numbers yet.
        self._write("new/alone/seed1/flags.txt", "# format 3\n--epochs=1\n")
        new = self.folder / "new"
        self.assertEqual(run_names.run_of(new / "comparison.json"), new)

    def test_elsewhere_the_same_names_are_free(self):
        for name, text in (
            ("seen/result.json", "[]"),
            ("seen/flags.txt", "of a country"),
            ("mine/flags.txt", "--epochs=3\n"),
            ("other/log.jsonl", '{"epoch": 1, "loss": 0.5}\n'),
            ("seen/log.jsonl", "\n"),
            ("seen/checkpoints/best.pt", ""),
            ("scores/result.json", '{"box_ap": 0.5}'),
        ):
            path = self._write(name, text)
            self.assertIsNone(run_names.run_of(path), name)
        self.assertIsNone(run_names.run_of(self.folder / "seen" / "result.json"))
        self.assertIsNone(run_names.run_of(self.folder / "new" / "result.json"))


if __name__ == "__main__":
    absltest.main()
