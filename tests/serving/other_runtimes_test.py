"""What is exported runs in the runtimes of others: session loaders, `saved_model_cli`, LiteRT."""

import functools
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import serving
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from tests import class_folder, trained_students

# As TensorFlow Serving and the other languages load a SavedModel: a graph and its variables.
_SESSION = """
import sys
import numpy as np, tensorflow as tf
for folder in sys.argv[2:]:
    images = np.load(folder + ".npy")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        found = {}
        for name, divisor in (("serving_default", 1), ("pixels", np.float32(255.0))):
            signature = loaded.signature_def[name]
            (given,) = signature.inputs.values()
            for count in (3, 1, 0):
                fed = images[:count] if divisor == 1 else images[:count] / divisor
                logits = session.run(signature.outputs["logits"].name, {given.name: fed})
                found[f"{name}_{count}"] = logits
    np.savez(folder + ".npz", **found)
"""

# Architecture, side, channels and precision.  One of each family, one with a single channel, one
# trained in bfloat16.
_SMALL = {
    "resnet8": ("resnet8", 8, 3, None),
    "one_channel": ("resnet8", 8, 1, None),
    "bfloat16": ("wrn_10_1", 8, 3, "mixed_bfloat16"),
    "wrn_10_1": ("wrn_10_1", 8, 3, None),
}
_LARGE = {
    "resnet18": ("resnet18", 32, 3, None),
    "mobilenet_v2": ("mobilenet_v2_0.5", 32, 3, None),
    "keras": ("keras:MobileNetV3Small", 32, 3, None),
}

# Those that are converted to int8 too, whose classes are compared: trained for longer.
_QUANTIZED = ("resnet8", "one_channel", "bfloat16", "mobilenet_v2")


@functools.cache
def _loaded(path):
    """By TensorFlow's own loader, which takes seconds for a large network."""
    return tf.saved_model.load(str(path))


class _Runtimes:
    """The tests of a group of students, `made`."""

    made = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = class_folder.make(cls)
        cls.paths, cls.students, cls.images = {}, {}, {}
        for name, (architecture, side, channels, dtype) in cls.made.items():
            epochs = 6 if name in _QUANTIZED else 2
            cls.students[name] = trained_students.trained(
                architecture, side, channels, dtype, epochs
            )
            cls.images[name], _ = trained_students.images(48, side, channels)
            card = Card(
                student=name,
                image_shape=(side, side, channels),
                class_names=("a", "b", "c"),
                normalization=Normalization((0.5,) * channels, (0.5,) * channels),
            )
            path = folder / name
            cls.paths[name] = serving.export_student(cls.students[name], path, card=card)
            np.save(f"{path}.npy", cls.images[name])
        command = [sys.executable, "-c", _SESSION, "", *map(str, cls.paths.values())]
        subprocess.run(command, check=True, capture_output=True, timeout=300)

    def _expected(self, name, count=None):
        """Logits as TensorFlow's own loader gives them."""
        serve = _loaded(self.paths[name]).signatures["serving_default"]
        return serve(images=tf.constant(self.images[name][:count]))["logits"].numpy()

    def _lite(self, content, images):
        with warnings.catch_warnings():
            # TensorFlow's interpreter tells of its successor, ai_edge_litert.
            warnings.simplefilter("ignore")
            interpreter = tf.lite.Interpreter(model_content=content)
        (given,) = interpreter.get_input_details()
        self.assertEqual(given["dtype"], np.uint8)
        interpreter.resize_tensor_input(given["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], images)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(each["index"]) for each in
                   interpreter.get_output_details()]  # fmt: skip
        # Logits and probabilities have one shape: only the latter sum to 1.
        (logits,) = (each for each in outputs if not np.allclose(each.sum(axis=1), 1.0, atol=0.1))
        return logits

    def test_a_session_gives_what_tensorflows_loader_gives(self):
        for name in self.made:
            found, expected = np.load(f"{self.paths[name]}.npz"), self._expected(name, 3)
            for count in (3, 1, 0):
                for signature in ("serving_default", "pixels"):
                    with self.subTest(f"{name}: {count} images to {signature}"):
                        logits = found[f"{signature}_{count}"]
                        self.assertEqual(logits.shape, (count, 3))
                        self.assertAllClose(logits, expected[:count], atol=1e-4, rtol=1e-4)

    def test_litert_has_the_weights_and_their_answers(self):
        for name in self.made:
            with self.subTest(name):
                converter = tf.lite.TFLiteConverter.from_saved_model(str(self.paths[name]))
                content = converter.convert()
                kernels = [
                    each for each in self.students[name].trainable_variables if each.ndim > 1
                ]
                # Batch norm's numbers are folded into them.
                least = sum(4 * np.prod(each.shape) for each in kernels)
                self.assertGreater(len(content), least)
                found = self._lite(content, self.images[name][:3])
                self.assertAllClose(found, self._expected(name, 3), atol=1e-3, rtol=1e-3)

    def test_litert_in_int8_agrees_on_the_classes(self):
        for name in self.made.keys() & set(_QUANTIZED):
            with self.subTest(name):
                self._assert_int8_agrees(name)

    def _assert_int8_agrees(self, name):
        images = self.images[name]
        converter = tf.lite.TFLiteConverter.from_saved_model(str(self.paths[name]))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        content = converter.convert()
        floats = sum(4 * np.prod(each.shape) for each in self.students[name].variables)
        self.assertLess(len(content), 0.75 * floats)
        found = np.concatenate([self._lite(content, image[None]) for image in images])
        agree = np.mean(found.argmax(axis=1) == self._expected(name).argmax(axis=1))
        self.assertGreater(agree, 0.9)


class SmallStudentsTest(_Runtimes, tf.test.TestCase):
    made = _SMALL

    def test_saved_model_cli_runs_it(self):
        output = self.create_tempdir().full_path
        path = self.paths["one_channel"]
        command = [
            *(str(pathlib.Path(sys.executable).with_name("saved_model_cli")), "run"),
            *("--dir", str(path), "--tag_set", "serve", "--signature_def", "serving_default"),
            *("--inputs", f"images={path}.npy", "--outdir", output),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        found = np.load(f"{output}/logits.npy")
        self.assertAllClose(found, self._expected("one_channel"), atol=1e-4, rtol=1e-4)

    def test_it_is_exported_in_float32(self):
        function = _loaded(self.paths["bfloat16"]).signatures["serving_default"]
        kinds = {tensor.dtype for op in function.graph.get_operations() for tensor in op.outputs}
        self.assertNotIn(tf.bfloat16, kinds)
        student = self.students["bfloat16"]
        images = self.images["bfloat16"][:3]
        mine = student(images / np.float32(127.5) - 1.0, training=False)
        self.assertAllClose(self._expected("bfloat16", 3), mine, atol=0.3)


@pytest.mark.slow
class LargeStudentsTest(_Runtimes, tf.test.TestCase):
    made = _LARGE


if __name__ == "__main__":
    tf.test.main()
