"""Tests of kdcl_tf.serving.formats.processes, with real files in real runtimes."""

import numpy as np
from absl.testing import absltest

from kdcl_tf.serving.formats import litert, onnx_models, processes
from tests import class_folder
from tests.serving.formats import means


class ProcessesTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = class_folder.make(cls)
        cls.files = {
            "litert": folder / "a.tflite",
            "onnxruntime": folder / "a.onnx",
        }
        cls.files["litert"].write_bytes(litert.convert(means.function(), means.SHAPE, "float32"))
        content = onnx_models.convert(means.function(), means.SHAPE, {})
        cls.files["onnxruntime"].write_bytes(content)
        # More than it runs at a time, the last batch smaller.
        cls.images = means.images(40)
        cls.runtimes = processes.Runtimes(cls.files, cls.images)
        cls.addClassCleanup(cls.runtimes.__exit__)

    def test_logits_of_all_images_and_a_latency(self):
        for name, file in self.files.items():
            ran = self.runtimes.run(name, file)
            np.testing.assert_allclose(ran.logits, means.logits(self.images), atol=1e-6)
            self.assertGreater(ran.latency, 0.0)

    def test_a_file_that_cannot_be_loaded_ends_nothing(self):
        for name, file in self.files.items():
            missing = file.with_name(f"no{file.suffix}")
            with self.assertRaisesRegex(ValueError, rf"^{name} cannot run it: .*$"):
                self.runtimes.run(name, missing)
            self.assertLen(self.runtimes.run(name, file).logits, 40)

    def test_a_runtime_that_dies_is_told_and_started_again(self):
        self.runtimes._processes["litert"].kill()
        with self.assertRaisesRegex(ValueError, "^litert ended with status -9 when it ran it$"):
            self.runtimes.run("litert", self.files["litert"])
        self.assertLen(self.runtimes.run("litert", self.files["litert"]).logits, 40)

    def test_it_leaves_no_process(self):
        with processes.Runtimes(["litert"], self.images) as runtimes:
            process = runtimes._processes["litert"]
            self.assertIsNone(process.poll())
        self.assertIsNotNone(process.poll())


if __name__ == "__main__":
    absltest.main()
