"""The four commands of README's section "Your own photographs", run as they stand on real ones.

So is the one of the page of photographs that starts from weights, which are random ones here under
torchvision's names.  Only images are smaller and epochs fewer, by flags after those of the documents.
"""

import csv
import json
import os
import pathlib
import re
import shlex
import shutil
import tempfile
from unittest import mock

import pytest
import tensorflow as tf

from tests import image_files, in_process
from tests.students.weights import torch_state

_ROOT = pathlib.Path(__file__).parents[1]
_SMALLER = {"train": ("--image_size=32", "--epochs=2", "--learning_rate=0.001")}


def _class_of(file):
    number = int(file.parent.name[1:3])
    return "animals" if number <= 2 else "things" if number <= 4 else "rest"


def _commands(document="README.md", heading="## Your own photographs"):
    """`[[program, flag, ...]]` as a document has them below a heading."""
    text = (_ROOT / document).read_text().partition(heading)[2]
    block = re.search(r"```sh\n(kdcl-train .*?)```", text, re.DOTALL)[1]
    return [shlex.split(line) for line in block.replace("\\\n", "").splitlines()]


@pytest.mark.slow
class PhotographsToPhoneTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        files = image_files.imagenet_samples()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for number, file in enumerate(files):
            path = self.folder / "photos" / _class_of(file) / f"{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, path)
        (self.folder / "new_photos").mkdir()
        for file in files[::50]:
            shutil.copy(file, self.folder / "new_photos")
        for name in ("mobilenet_v2", "resnet18"):
            arrays, _ = torch_state.state(name)
            torch_state.write(self.folder / f"{name}.safetensors", arrays)
        shutil.copytree(_ROOT / "flags", self.folder / "flags")

    def _run(self, program, *arguments):
        door = program.removeprefix("kdcl-")
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            with mock.patch.dict(os.environ, PYTHONPATH=str(_ROOT)):
                done = in_process.run(door, *arguments, *_SMALLER.get(door, ()))
        finally:
            os.chdir(before)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_four_commands(self):
        train, evaluate, export, predict = (self._run(*each) for each in _commands())
        run = self.folder / "runs" / "photos" / "cohort" / "seed0"
        for name in ("mobilenet_v2", "resnet18"):
            self.assertRegex(train, rf"\n{name} +[0-9.]+% +[0-9.]+% +[+-][0-9.]+\n")
        facts = json.loads((run / "students" / "mobilenet_v2" / "student.json").read_text())
        self.assertAllClose(facts["mean"], [0.485, 0.456, 0.406])
        self.assertIn("animals", evaluate)
        self.assertTrue((run / "analyses" / "confusion.html").exists())
        for ending in ("int8.tflite", "onnx"):
            self.assertTrue((run / "students" / f"mobilenet_v2.{ending}").exists())
            self.assertRegex(export, rf"\nmobilenet_v2.{ending} +[0-9.]+ MB")
        self.assertEqual(predict.count("new_photos"), 3)
        page = (self.folder / "seen.html").read_text()
        self.assertEqual(page.count("<img"), 3)
        self._assert_files_agree(_commands()[2], run / "students")

    def test_the_command_that_starts_from_weights(self):
        (train,) = _commands("docs/pages/photographs.md", "## Weights to start from")
        table = self._run(*train)
        told = (self.folder / "runs/finetuned/cohort/seed0/output.txt").read_text()
        for name in ("mobilenet_v2", "resnet18"):
            self.assertRegex(table, rf"\n{name} +[0-9.]+% +[0-9.]+% +[+-][0-9.]+\n")
            self.assertRegex(
                told, rf"{name} starts from .*{name}.safetensors: .* taken, .* made anew"
            )

    def _assert_files_agree(self, export, students):
        """What each file says of every photograph is what the student says."""
        self._run(*export, "--images=photos", "--test_images=0")
        answers = {}
        for model in ("mobilenet_v2", "mobilenet_v2.onnx", "mobilenet_v2.int8.tflite"):
            output = self.folder / f"{model}.csv"
            named = ("--image=photos", f"--model={students / model}", f"--output={output}")
            self._run("kdcl-predict", *named, "--top=1")
            with open(output, newline="") as file:
                answers[model] = [tuple(row)[:2] for row in csv.reader(file)]
        student = answers.pop("mobilenet_v2")
        self.assertLen(student, 1 + len(list((self.folder / "photos").glob("*/*"))))
        self.assertEqual(answers["mobilenet_v2.onnx"], student)
        same = sum(a == b for a, b in zip(student, answers["mobilenet_v2.int8.tflite"]))
        self.assertGreaterEqual(same, 0.95 * len(student))


if __name__ == "__main__":
    tf.test.main()
