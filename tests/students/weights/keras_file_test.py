"""Tests of kdcl_tf.students.weights.keras_file."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.students import families, names
from kdcl_tf.students.layers import Layers
from kdcl_tf.students.weights import keras_file
from tests.students.plain_layers import images, move_statistics


class KerasFileTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_weights_of_keras_own_classifier_fit_our_student(self):
        stock = keras.applications.MobileNet(
            weights=None, classes=4, input_shape=(32, 32, 3), classifier_activation=None, alpha=1.0
        )
        move_statistics(stock)
        stock.save_weights(self.folder / "stock.weights.h5")
        # Its head is a convolution.
        student = students.build(
            "keras:MobileNet", 4, (32, 32, 3), weights=self.folder / "stock.weights.h5"
        )
        wanted = stock(images(student), training=False)
        scale = np.abs(wanted).max()
        self.assertAllClose(
            student(images(student), training=False) / scale, wanted / scale, atol=1e-5
        )

    def test_weights_of_another_student_are_refused_in_one_line(self):
        path = self.folder / "other.weights.h5"
        students.build("resnet14", 3, (8, 8, 3)).save_weights(path)
        with self.assertRaisesRegex(
            ValueError, "other.weights.h5: expected weights of a resnet8; got "
        ) as caught:
            keras_file.load_weights(path, "resnet8")
        self.assertNotIn("\n", str(caught.exception))

    def test_a_model_of_another_kind_is_refused_in_one_line(self):
        path = self.folder / "alien.keras"
        layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
        keras.Sequential([*layers, keras.layers.Dense(3)]).save(path)
        with self.assertRaises(ValueError) as caught:
            students.build("resnet8", 3, (8, 8, 3), weights=path)
        self.assertRegex(str(caught.exception), "alien.keras is no resnet8: expected ")
        self.assertNotIn("\n", str(caught.exception))

    def test_classes_and_channels_are_those_of_the_file(self):
        path = self.folder / "grey.weights.h5"
        students.build("wrn_10_1", 7, (8, 8, 1)).save_weights(path)
        student = keras_file.load_weights(path, "wrn_10_1")
        self.assertEqual((student.output_shape, student.input_shape[3]), ((None, 7), 1))

    @pytest.mark.slow
    def test_a_first_layer_in_a_model_of_its_own(self):
        path = self.folder / "stem.weights.h5"
        student = students.build("keras:ConvNeXtTiny", 3, (32, 32, 3))
        student.save_weights(path)
        again = keras_file.load_weights(path, "keras:ConvNeXtTiny", (32, 32))
        pixels = images(student)
        self.assertAllEqual(again(pixels, training=False), student(pixels, training=False))

    def test_a_damaged_keras_file_is_refused_in_one_line(self):
        path = self.folder / "a.keras"
        students.build("resnet8", 3, (8, 8, 3)).save(path)
        path.write_bytes(path.read_bytes()[:-200])
        with self.assertRaisesRegex(
            ValueError, "expected a .keras file that can be read here; got "
        ) as caught:
            keras_file.read_keras(path)
        self.assertNotIn("\n", str(caught.exception))

    def test_a_file_of_a_damaged_structure_is_refused_in_one_line(self):
        student = students.build("resnet8", 3, (8, 8, 3))
        whole, weights = self.folder / "a.keras", self.folder / "a.weights.h5"
        student.save(whole)
        student.save_weights(weights)
        content = whole.read_bytes()
        # In the list at the end of a ZIP file: the version, that it is encrypted, the compression.
        entry = content.rindex(b"PK\x01\x02")
        for place, value in ((6, 0xFF), (8, 1), (10, 99)):
            damaged = bytearray(content)
            damaged[entry + place] = value
            whole.write_bytes(damaged)
            with self.assertRaisesRegex(
                ValueError, "^[^\n]* .keras file that can be read here; got "
            ):
                keras_file.load_keras(whole)
        # The version of each node that lists what is in a group.
        weights.write_bytes(weights.read_bytes().replace(b"SNOD\x01", b"SNOD\x07"))
        with self.assertRaisesRegex(
            ValueError, "expected weights of a resnet8; got .* symbol table"
        ):
            keras_file.load_weights(weights, "resnet8")


def _resnet8(before=None, dropout=False, classes=3, after=None):
    """A model that has a resnet8's layers and others."""
    images = x = keras.Input((8, 8, 3))
    x = x if before is None else before(x)
    *body, head = families.parts(names.parse("resnet8"), classes, Layers())
    for part in body:
        x = part(x)
    x = head(keras.layers.Dropout(0.5)(x) if dropout else x)
    return keras.Model(images, x if after is None else after(x))


class FurtherLayersTest(tf.test.TestCase):
    """Files of more than the student, of which Keras reads the student's layers alone."""

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.weights.h5"

    def test_layers_that_scale_images_are_refused_unless_their_normalisation_is_known(self):
        for layer in (
            keras.layers.Rescaling(1 / 255, name="halve"),
            keras.Sequential([keras.layers.Rescaling(1 / 255, name="halve")]),
            keras.layers.Normalization(name="halve"),
            keras.layers.Normalization(mean=[1.0] * 3, variance=[2.0] * 3, name="halve"),
        ):
            model = _resnet8(before=layer)
            model.save_weights(self.path)
            message = (
                f"^expected a model of normalised images, .* got {self.path}, whose layer halve"
            )
            for read in (keras_file.load_weights, keras_file.read_weights):
                with self.assertRaisesRegex(ValueError, message) as caught:
                    read(self.path, "resnet8", (8, 8))
                self.assertNotIn("\n", str(caught.exception))
            found = keras_file.read_weights(self.path, "resnet8", takes_normalized=False)
            self.assertAllEqual(found.arrays["logits/kernel"], model.get_layer("logits").kernel)

    def test_layers_that_learn_are_refused(self):
        model = _resnet8(classes=256, after=keras.layers.Dense(3, name="answers"))
        model.save_weights(self.path)
        message = f"^{self.path}: expected weights of a resnet8; got a further layer, answers$"
        with self.assertRaisesRegex(ValueError, message):
            keras_file.load_weights(self.path, "resnet8")

    def test_layers_that_neither_learn_nor_scale_are_passed_over(self):
        turned = keras.Sequential([keras.layers.RandomRotation(0.1), keras.layers.RandomFlip()])
        model = _resnet8(before=turned, dropout=True, after=keras.layers.Softmax())
        model.save_weights(self.path)
        student = keras_file.load_weights(self.path, "resnet8", (8, 8))
        pixels = images(student)
        self.assertAllClose(
            tf.nn.softmax(student(pixels, training=False)), model(pixels, training=False)
        )


if __name__ == "__main__":
    tf.test.main()
