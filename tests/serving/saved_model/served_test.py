"""Tests of kdcl_tf.serving.saved_model.served."""

import dataclasses
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.serving import exported
from kdcl_tf.serving.cards import Card
from tests.serving import exported_students

# A process in which neither this package nor Keras can be imported.  TensorFlow asks where
# Keras is, so it must seem to be there.
_ELSEWHERE = """
import importlib.machinery, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kdcl_tf", "keras"):
            return importlib.machinery.ModuleSpec(name, self, origin="/absent/__init__.py")

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        raise ModuleNotFoundError(f"{module.__name__} is not installed here")

sys.meta_path.insert(0, Absent())
import numpy as np, tensorflow as tf
for folder in sys.argv[2:]:
    loaded = tf.saved_model.load(folder)
    predict = loaded.signatures["serving_default"]
    outputs = predict(images=tf.constant(np.load(sys.argv[1])))
    np.savez(folder + ".npz", **{name: value.numpy() for name, value in outputs.items()})
assert not {"kdcl_tf", "keras"} & set(sys.modules)
"""


class ServedTest(exported_students.Case, parameterized.TestCase):
    def test_fractions_give_what_whole_numbers_give(self):
        predict, _ = serving.load_student(self.export(exported_students.student()))
        images = self.dataset.test.images[:3]
        whole = predict(images)
        for kind in (np.float64, np.float32):
            fractions = predict(images.astype(kind) / 255.0)
            for name in ("logits", "probabilities"):
                self.assertAllClose(fractions[name], whole[name], atol=1e-5)

    def test_fractions_need_not_be_whole_numbers_of_grey_levels(self):
        student = exported_students.student()
        predict, _ = serving.load_student(self.export(student))
        pixels = self.dataset.test.images[:3].astype(np.float32) / 255.0 + 0.3 / 255.0
        expected = student(self.dataset.normalization.apply(pixels * 255.0), training=False)
        self.assertAllClose(predict(pixels)["logits"], expected, atol=1e-5)

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_it_takes_any_number_of_uint8_images(self, dtype):
        predict, _ = serving.load_student(self.export(exported_students.student(dtype)))
        student = exported_students.student("float32")
        three = self.dataset.test.images[:3]
        for count in (3, 1, 0):
            outputs = predict(three[:count])
            self.assertEqual(set(outputs), {"logits", "probabilities"})
            expected = student(self.dataset.normalization.apply(three), training=False)[:count]
            self.assertAllClose(outputs["logits"], expected, rtol=1e-5, atol=1e-5)
            self.assertAllClose(outputs["probabilities"], tf.nn.softmax(expected), atol=1e-5)
            for value in outputs.values():
                self.assertEqual(value.dtype, tf.float32)
                self.assertEqual(value.shape, (count, 10))

    def test_its_signatures_take_one_size_and_any_number(self):
        loaded = tf.saved_model.load(str(self.export(exported_students.student())))
        for name, given, kind in (
            ("serving_default", "images", tf.uint8),
            ("pixels", "pixels", tf.float32),
        ):
            signature = loaded.signatures[name]
            (_, inputs) = signature.structured_input_signature
            self.assertEqual(inputs[given].shape, [None, 8, 8, 3])
            for shape in ([2, 16, 8, 3], [2, 8, 8, 1], [8, 8, 3]):
                with self.assertRaises(tf.errors.InvalidArgumentError):
                    signature(**{given: tf.zeros(shape, kind)})

    @pytest.mark.slow
    def test_a_process_with_only_tensorflow_predicts_the_same(self):
        images = self.dataset.test.images[:5]
        np.save(self.folder / "images.npy", images)
        paths = [
            str(self.export(exported_students.student(dtype, "wrn_10_1"), dtype))
            for dtype in ("float32", "mixed_bfloat16")
        ]
        command = [sys.executable, "-I", "-c", _ELSEWHERE, str(self.folder / "images.npy"), *paths]
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True, timeout=100)
        # Of both: what is exported computes in float32.
        student = exported_students.student("float32", "wrn_10_1")
        expected = student(self.dataset.normalization.apply(images), training=False)
        for path in paths:
            outputs = np.load(f"{path}.npz")
            self.assertAllClose(outputs["logits"], expected, rtol=1e-5, atol=1e-5)
            self.assertAllClose(outputs["probabilities"].sum(axis=1), np.ones(5))

    def test_students_of_other_channels_than_photographs_have_are_given_no_bytes(self):
        for channels in (1, 2, 4):
            student = students.build("resnet8", 10, (8, 8, channels))
            card = Card(
                "resnet8", (8, 8, channels), tuple("abcdefghij"), data.Normalization((0.5,), (1.0,))
            )
            path = serving.export_student(student, self.folder / f"of_{channels}", card=card)
            loaded = tf.saved_model.load(str(path))
            self.assertEqual("photograph" in loaded.signatures, channels == 1)
            self.assertEqual("photograph" in exported.known_card(path), channels == 1)
            readme = (path / "README.md").read_text()
            self.assertEqual('signatures["photograph"]' in readme, channels == 1)
            (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
            if channels > 1:
                found = {}
                exec(block.replace('load(".")', f"load({str(path)!r})"), found)
                self.assertEqual(found["answers"]["logits"].shape, (1, 10))

    def test_a_student_of_images_of_any_size_is_exported_for_the_cards(self):
        images = np.random.default_rng(0).integers(0, 256, [3, 16, 12, 3], np.uint8)
        normalization = data.Normalization((0.5,), (0.25,))
        inputs = keras.Input((None, None, 3))
        pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(4, 5)(inputs))
        student = keras.Model(inputs, keras.layers.Dense(10)(pooled))
        card = Card("a", (16, 12, 3), tuple("abcdefghij"), normalization)
        for each in (student, exported_students.Pooling()):
            path = serving.export_student(each, self.folder / "a", card=card)
            predict, _ = serving.load_student(path)
            wanted = each((images / 255.0 - 0.5) / 0.25, training=False)
            self.assertAllClose(predict(images)["logits"], wanted, atol=1e-5)
        small = dataclasses.replace(card, image_shape=(4, 4, 3))
        with self.assertRaisesRegex(ValueError, "images, .None, 4, 4, 3.; got one of .None, None"):
            serving.export_student(student, self.folder / "a", card=small)


if __name__ == "__main__":
    tf.test.main()
