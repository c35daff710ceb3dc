"""What README.md shows is run as it stands."""

import os
import pathlib
import re
import subprocess
import sys

import tensorflow as tf

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_README = (_ROOT / "README.md").read_text()


class ReadmeTest(tf.test.TestCase):
    def test_the_example_with_own_models_trains_and_saves(self):
        example = re.search(r"```python\n(import keras\n.*?)```", _README, re.DOTALL).group(1)
        self.assertLessEqual(len([line for line in example.splitlines() if line.strip()]), 20)
        folder = self.create_tempdir().full_path
        run = subprocess.run(
            [sys.executable, "-c", example],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("val_small_accuracy", run.stdout)
        self.assertTrue((pathlib.Path(folder) / "small.keras").exists())

    def test_the_example_of_other_methods_goes_on_from_the_first(self):
        first, other = (
            re.search(rf"```python\n({start}.*?)```", _README, re.DOTALL).group(1)
            for start in ("import keras\n", "teacher = ")
        )
        setting = first.partition("cohort.fit")[0]
        run = subprocess.run(
            [sys.executable, "-c", setting + other + "print(list(one.students))"],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("['resnet32', 'resnet32_2', 'resnet32_3']", run.stdout)

    def test_every_file_that_the_documents_name_is_there(self):
        text = _README + (_ROOT / "BUILD.md").read_text()
        named = re.findall(r"\b(?:tools|flags|results|tests|kdcl_tf)/[\w./-]*\w", text)
        missing = [path for path in set(named) if not (_ROOT / path).exists()]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    tf.test.main()
