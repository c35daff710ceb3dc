"""What README.md shows is run as it stands."""

import os
import pathlib
import re
import subprocess
import sys

import tensorflow as tf

from tests import class_folder

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_README = (_ROOT / "README.md").read_text()


class ReadmeTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        """Both examples in one process, as a reader goes on from the first to the other."""
        super().setUpClass()
        cls.first, other = (
            re.search(rf"```python\n({start}.*?)```", _README, re.DOTALL).group(1)
            for start in ("import keras\n", "teacher = ")
        )
        cls.folder = class_folder.make(cls)
        cls.run_ = subprocess.run(
            [sys.executable, "-c", cls.first + other + "print(list(one.students))"],
            cwd=cls.folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )

    def test_the_example_with_own_models_trains_and_saves(self):
        lines = [line for line in self.first.splitlines() if line.strip()]
        self.assertLessEqual(len(lines), 20)
        self.assertIn("val_small_accuracy", self.run_.stdout, self.run_.stderr)
        self.assertTrue((self.folder / "small.keras").exists())

    def test_the_example_of_other_methods_goes_on_from_the_first(self):
        self.assertEqual(self.run_.returncode, 0, self.run_.stderr)
        self.assertIn("['resnet32', 'resnet32_2', 'resnet32_3']", self.run_.stdout)

    def test_every_file_that_the_documents_name_is_there(self):
        text = _README + (_ROOT / "BUILD.md").read_text()
        named = re.findall(r"\b(?:tools|flags|results|tests|kdcl_tf)/[\w./-]*\w", text)
        missing = [path for path in set(named) if not (_ROOT / path).exists()]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    tf.test.main()
