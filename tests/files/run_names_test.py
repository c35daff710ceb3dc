"""Tests of kdcl_tf.files.run_names."""

import json
import pathlib
import re

from absl.testing import absltest, parameterized

from kdcl_tf.files import run_names
from kdcl_tf.training import workdir

# A file by which a folder is known for a run's, and what is in it.
_MARKS = {
    "flags.txt": "# format 3\n--epochs=1\n",
    "result.json": '{"settings": {"epochs": 1}}',
    "log.jsonl": '{"epoch": 1, "loss": 2.5}\n{"epo',
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
        self.assertContainsSubset(files, run_names.FILES)
        self.assertContainsSubset(folders, run_names.FOLDERS)
        self.assertContainsSubset({"curves.png", "detections.json"}, run_names.FILES)

    @parameterized.parameters(*_MARKS)
    def test_a_name_of_a_run_is_the_runs_whatever_is_left_of_it(self, mark):
        self._write(f"run/{mark}", _MARKS[mark])
        run = self.folder / "run"
        for name in ("result.json", "curves.png", "detector/a.png", "checkpoints/x/y.json"):
            self.assertEqual(run_names.run_of(run / name), run, name)
        for name in ("scores.json", "a.png", "analyses/result.json", "students/scores.json"):
            self.assertIsNone(run_names.run_of(run / name), name)
        (self.folder / "link.json").symlink_to(run / "result.json")
        (self.folder / "other").symlink_to(run)
        self.assertEqual(run_names.run_of(self.folder / "link.json"), run)
        self.assertEqual(run_names.run_of(self.folder / "other" / "log.jsonl"), run)
        # Another file, where capital letters make a difference.
        is_same = (run / mark.upper()).exists()
        self.assertEqual(run_names.run_of(run / "RESULT.json") is None, not is_same)

    def test_a_comparison_has_names_of_its_own(self):
        self._write("both/comparison.json", json.dumps({"seeds": [0]}))
        both = self.folder / "both"
        self.assertIsNone(run_names.run_of(both / "comparison.json"))
        (both / "cohort").mkdir()
        self.assertEqual(run_names.run_of(both / "comparison.json"), both)

    def test_elsewhere_the_same_names_are_free(self):
        for name, text in (
            ("seen/result.json", "[]"),
            ("seen/flags.txt", "of a country"),
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
