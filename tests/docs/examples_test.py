"""Tests of the Python of README.md and docs/: it runs, and prints what the page says."""

import json
import os
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

from tests import class_folder, documents

_ALL = documents.documents()
_WITH_CODE = [path for path in _ALL if documents.examples(path)]


class ReaderTest(absltest.TestCase):
    """What reads the documents finds what is there."""

    def _write(self, text):
        path = pathlib.Path(self.create_tempdir().full_path) / "page.md"
        path.write_text(text)
        return path

    def test_blocks_examples_and_commands(self):
        path = self._write(
            "# A `b` [c](d.md)\n```python\nprint(1)\n```\n\n```text\n1\n```\n1. x\n\n"
            "    ```sh\n    kdcl-train --epochs=1 \\\n      --seed=2  # short\n    ```\n"
            "```\nplain\n```\n"
        )
        self.assertEqual(documents.examples(path), [("print(1)\n", "1\n")])
        self.assertEqual(documents.commands(path), [["kdcl-train", "--epochs=1", "--seed=2"]])
        self.assertEqual(
            [block.language for block in documents.blocks(path)], ["python", "text", "sh", ""]
        )
        self.assertEqual(documents.anchors(path), {"a-b-c"})
        self.assertNotIn("plain", documents.prose(path))

    def test_there_is_something_to_test(self):
        self.assertGreater(len(_ALL), 30)
        self.assertGreater(sum(len(documents.commands(path)) for path in _ALL), 40)
        self.assertGreater(len(_WITH_CODE), 6)


class ExamplesTest(parameterized.TestCase):
    """All blocks of Python run, in one process; those of a page go on from each other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = class_folder.make(cls)
        # What the page about serving loads.
        export = (
            "import kdcl_tf\n"
            "from kdcl_tf.data.normalization import Normalization\n"
            "classes = [f'class {i}' for i in range(100)]\n"
            "colours = Normalization((0.5,) * 3, (0.25,) * 3)\n"
            "card = kdcl_tf.serving.Card('resnet32', (32, 32, 3), classes, colours)\n"
            "student = kdcl_tf.students.build('resnet32', 100)\n"
            "path = 'runs/general_icl/students/resnet32'\n"
            "kdcl_tf.serving.export_student(student, path, card=card)\n"
        )
        run = "import runpy, sys\nrunpy.run_module('tests.documents', run_name='__main__')\n"
        cls.done = subprocess.run(
            [sys.executable, "-c", export + run, *map(documents.name, _WITH_CODE)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(documents.ROOT)},
            capture_output=True,
            text=True,
        )
        lines = cls.done.stdout.splitlines()
        cls.printed = json.loads(lines[-1]) if lines else {}
        cls.saved = {path.name for path in folder.iterdir()}

    @parameterized.named_parameters(documents.named(_WITH_CODE))
    def test_it_runs_and_prints_what_the_page_says(self, path):
        self.assertIn(documents.name(path), self.printed, self.done.stderr[-2000:])
        printed = self.printed[documents.name(path)]
        for (code, expected), found in zip(documents.examples(path), printed):
            self.assertNotIn("Traceback", found, code)
            if expected is not None:
                self.assertEqual(found, expected)
        self.assertLen(printed, len(documents.examples(path)))

    def test_the_example_of_readme_is_short_trains_and_saves(self):
        (code, _), *others = documents.examples(documents.ROOT / "README.md")
        self.assertEmpty(others)
        self.assertLessEqual(len([line for line in code.splitlines() if line.strip()]), 20)
        self.assertIn("val_small_accuracy", self.printed["README.md"][0])
        self.assertIn("small.keras", self.saved)


if __name__ == "__main__":
    absltest.main()
