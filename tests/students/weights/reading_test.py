"""Tests of kdcl_tf.students.weights.reading: files of every kind as a student's weights."""

import contextlib
import io
import pathlib
import tempfile
import unittest
import unittest.mock

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from keras.src.legacy.saving import legacy_h5_format

from kdcl_tf import methods, serving, students
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.students.weights import reading
from tests.students.plain_layers import images, move_statistics
from tests.students.weights import torch_state


def setUpModule():
    global _FOLDER
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    _FOLDER = pathlib.Path(temporary.name)


def _written(student, name):
    """Paths of the student in each of our own formats."""
    yield serving.save_keras(student, _FOLDER / f"{name}.keras")
    yield serving.save_weights(student, _FOLDER / f"{name}.weights.h5")
    if not name.startswith("keras"):
        shape = student.input_shape[1:]
        pixels = Normalization((0.5,) * shape[2], (0.2,) * shape[2])
        card = serving.Card(name, shape, tuple("abc"), pixels, architecture=name)
        yield serving.export_student(student, _FOLDER / name, card=card)


class OwnFilesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("resnet8", (8, 8, 1)), ("wrn_10_1", (8, 8, 3)), ("keras:MobileNetV3Small", (32, 32, 3))
    )
    def test_every_format_gives_the_same_logits(self, name, shape):
        student = students.build(name, 3, shape)
        move_statistics(student)
        wanted = student(images(student), training=False)
        self.assertGreater(np.std(wanted), 1e-3)
        for path in _written(student, name.replace(":", "_")):
            with contextlib.redirect_stderr(io.StringIO()) as told:
                built = students.build(name, 3, shape, weights=path)
            self.assertAllEqual(built(images(student), training=False), wanted)
            self.assertRegex(told.getvalue(), r"variables taken, none made anew, none left over$")

    def test_the_head_is_made_anew_for_other_classes_and_the_line_says_so(self):
        student = students.build("resnet8", 3, (8, 8, 3))
        move_statistics(student)
        student.save_weights(_FOLDER / "three.weights.h5")
        other = students.build("resnet8", 4, (8, 8, 3))
        fresh = other.get_layer("logits").get_weights()
        taken = reading.load(other, _FOLDER / "three.weights.h5", "resnet8")
        self.assertEqual(taken.new, ("logits/kernel", "logits/bias"))
        self.assertEqual(taken.reason, "the source has 3 classes, the student 4")
        self.assertAllEqual(other.get_layer("logits").get_weights()[0], fresh[0])
        for layer in ("stem_conv", "stage3_block1_norm2"):
            for own, given in zip(
                other.get_layer(layer).get_weights(), student.get_layer(layer).get_weights()
            ):
                self.assertAllEqual(own, given)


class RefusedTest(tf.test.TestCase):
    def test_weights_of_a_classifier_that_normalises_its_images_are_refused(self):
        name = "keras:EfficientNetB0"
        student = students.build(name, 3, (32, 32, 3))
        path = _FOLDER / "e.weights.h5"
        student.save_weights(path)
        self.assertEqual(reading.student(path, name, (32, 32, 3)).output_shape, (None, 3))
        (layer,) = [each for each in student.layers if isinstance(each, keras.layers.Normalization)]
        layer.adapt(np.random.default_rng(0).uniform(size=[4, 32, 32, 3]))
        student.save_weights(path)
        message = f"^{path}: expected a model of normalised images, .* layer {layer.name} scales"
        with self.assertRaisesRegex(ValueError, message) as caught:
            reading.student(path, name, (32, 32, 3))
        self.assertNotIn("\n", str(caught.exception))

    def test_a_whole_cohort_is_refused_and_one_of_its_students_is_not(self):
        for names in (("resnet8", "resnet8"), ("resnet14", "resnet8")):
            members = {
                f"s{at}": students.build(name, 3, (8, 8, 3)) for at, name in enumerate(names)
            }
            methods.Independent(members).save(_FOLDER / "cohort.keras")
            with self.assertRaisesRegex(ValueError, "^expected one student; got .*") as caught:
                students.build(names[0], 3, (8, 8, 3), weights=_FOLDER / "cohort.keras")
            self.assertNotIn("\n", str(caught.exception))
        members["s1"].save(_FOLDER / "one.keras")
        taken = reading.load(
            students.build("resnet8", 3, (8, 8, 3)), _FOLDER / "one.keras", "resnet8"
        )
        self.assertLen(taken.taken, len(members["s1"].variables))


class TorchvisionTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*torch_state.LOGITS)
    def test_logits_are_those_that_torchvision_computes(self, name):
        arrays, image = torch_state.state(name)
        path = torch_state.write(_FOLDER / f"{name}.safetensors", arrays)
        student = students.build(name, 5, (64, 64, 3), weights=path)
        self.assertAllClose(student(image, training=False)[0], torch_state.LOGITS[name], atol=1e-4)

    @parameterized.parameters(
        (
            "mobilenet_v2_0.5",
            "mobilenet_v2",
            r"expected \[3, 3, 3, 16\] at stem_conv/kernel .*features.0.0",
        ),
        ("mobilenet_v2", "resnet18", "no mobilenet_v2: expected .* got nothing"),
    )
    def test_another_network_is_refused_naming_the_first_variable(self, name, other, message):
        arrays, _ = torch_state.state(other)
        path = torch_state.write(_FOLDER / f"other_{other}.safetensors", arrays)
        with self.assertRaisesRegex(ValueError, message) as caught:
            students.build(name, 5, (64, 64, 3), weights=path)
        self.assertNotIn("\n", str(caught.exception))


class HeadlessTest(tf.test.TestCase):
    """A file without a head, as published backbones are."""

    def test_it_is_a_backbone_and_no_whole_student(self):
        arrays, _ = torch_state.state("resnet18")
        body = {name: value for name, value in arrays.items() if not name.startswith("fc.")}
        self.assertLess(len(body), len(arrays))
        path = torch_state.write(_FOLDER / "headless.safetensors", body)
        message = f"{path}: expected weights with a head, .*; got none of logits/kernel: give"
        with self.assertRaisesRegex(ValueError, message) as caught:
            reading.student(path, "resnet18")
        self.assertNotIn("\n", str(caught.exception))
        backbone = reading.student(path, "resnet18", needs_head=False)
        self.assertEqual(backbone.output_shape, (None, 1000))
        kernel = np.transpose(arrays["conv1.weight"], (2, 3, 1, 0))
        self.assertAllEqual(backbone.get_layer("stem_conv").kernel, kernel)

    def test_files_of_keras_are_too(self):
        student = students.build("resnet8", 3, (8, 8, 3))
        body = keras.Model(student.input, student.get_layer("pool").output)
        move_statistics(body)
        whole, weights = _FOLDER / "body.keras", _FOLDER / "body.weights.h5"
        body.save(whole)
        body.save_weights(weights)
        message = f"^{weights}: expected weights with a head, .*; got none of logits/kernel: give"
        with self.assertRaisesRegex(ValueError, message):
            reading.student(weights, "resnet8")
        wanted = body(images(body), training=False)
        for path in (whole, weights):
            backbone = reading.student(path, "resnet8", (8, 8, 3), needs_head=False)
            pool = keras.Model(backbone.input, backbone.get_layer("pool").output)
            self.assertAllClose(pool(images(body), training=False), wanted, atol=1e-5)
            other = students.build("resnet8", 4, (8, 8, 3))
            taken = reading.load(other, path, "resnet8")
            self.assertEqual(taken.new, ("logits/kernel", "logits/bias"))
            self.assertEqual((taken.reason, taken.left_over), ("the source has none", ()))
            pool = keras.Model(other.input, other.get_layer("pool").output)
            self.assertAllClose(pool(images(body), training=False), wanted, atol=1e-5)


class ImageNetTest(tf.test.TestCase):
    """Keras's weights for ImageNet, as if Keras had downloaded them."""

    @pytest.mark.slow
    def test_logits_are_those_of_keras(self):
        stock = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
        move_statistics(stock)
        cache = _FOLDER / "keras" / "models"
        cache.mkdir(parents=True)
        name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
        with h5py.File(cache / name, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, stock)
        from keras.src.backend import config

        home = str(_FOLDER / "keras")
        with (
            unittest.mock.patch.dict("os.environ", {"KERAS_HOME": home}),
            unittest.mock.patch.object(config, "_KERAS_DIR", home),
        ):
            student = students.build("keras:MobileNetV2", 1000, (64, 64, 3), weights="imagenet")
            head = students.build("keras:MobileNetV2", 3, (64, 64, 3))
            taken = reading.load(head, "imagenet", "keras:MobileNetV2")
        small = keras.applications.MobileNetV2(
            weights=None, classifier_activation=None, input_shape=(64, 64, 3)
        )
        small.set_weights(stock.get_weights())
        wanted = small(images(student), training=False)
        scale = float(np.abs(wanted).max())
        found = student(images(student), training=False)
        self.assertAllClose(found / scale, wanted / scale, atol=1e-5)
        self.assertEqual(taken.new, ("predictions/kernel", "predictions/bias"))


if __name__ == "__main__":
    tf.test.main()
