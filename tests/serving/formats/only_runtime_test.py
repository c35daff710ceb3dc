"""Tests of kdcl_tf.serving.formats.only_runtime as the program that it is."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest

from kdcl_tf.serving.formats import litert, only_runtime
from tests.serving.formats import means

# Tells at its end what was imported beside the runtime.
_TOLD = """
print(sorted({"tensorflow", "keras", "kdcl_tf", "onnxruntime"} & set(sys.modules)), file=_answers)
_answers.flush()
"""


class OnlyRuntimeTest(absltest.TestCase):
    def test_it_answers_line_by_line_and_imports_nothing_else(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "a.tflite").write_bytes(
                litert.convert(means.function(), means.SHAPE, "float32")
            )
            np.save(folder / "images.npy", means.images(3))
            good = {
                "file": f"{folder}/a.tflite",
                "images": f"{folder}/images.npy",
                "output": f"{folder}/out.npy",
            }
            lines = [json.dumps(each) for each in (good, {**good, "file": "none"}, good)]
            program = pathlib.Path(only_runtime.__file__).read_text() + _TOLD
            done = subprocess.run(
                [sys.executable, "-c", program, "litert"],
                input="\n".join(lines),
                capture_output=True,
                text=True,
                check=True,
            )
            first, bad, last, imported = done.stdout.splitlines()
            for line in (first, last):
                self.assertGreater(json.loads(line)["latency"], 0.0)
            self.assertIn("none", json.loads(bad)["error"])
            self.assertEqual(imported, "[]")
            found = np.load(folder / "out.npy")
            np.testing.assert_allclose(found, means.logits(means.images(3)), atol=1e-6)

    def test_weights_are_loaded_by_the_kdcl_tf_of_the_folder(self):
        with tempfile.TemporaryDirectory() as name:
            package = pathlib.Path(name) / "kdcl_tf"
            package.mkdir()
            (package / "__init__.py").touch()
            (package / "students.py").write_text("raise ValueError('that of the folder')\n")
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    pathlib.Path(only_runtime.__file__).read_text(),
                    "kdcl_tf",
                    name,
                ],
                input="{}\n",
                capture_output=True,
                text=True,
                check=True,
            )
        self.assertEqual(json.loads(done.stdout), {"error": "that of the folder"})


if __name__ == "__main__":
    absltest.main()
