"""Tests of kdcl_tf.serving.saved_model.checks."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving
from kdcl_tf.serving import answering, saved_model
from kdcl_tf.serving.cards import Card
from tests.serving import exported_students


class ChecksTest(exported_students.Case, parameterized.TestCase):
    def test_numpys_numbers_are_numbers_of_a_card(self):
        student, pixels = (
            exported_students.student(),
            np.random.default_rng(0).random((5, 8, 8, 3), np.float32),
        )
        of_pixels = data.Normalization(pixels.mean((0, 1, 2)), pixels.std((0, 1, 2)))
        card = dataclasses.replace(
            Card.of(student, self.dataset),
            image_shape=np.array([8, 8, 3]),
            normalization=of_pixels,
            more={"accuracy": np.float32(0.5), "by_class": np.array([0.25, 0.75])},
        )
        path = serving.export_student(student, self.folder / "resnet8", card=card)
        _, found = serving.load_student(path)
        self.assertEqual((found["accuracy"], found["by_class"]), (0.5, [0.25, 0.75]))
        self.assertAllClose(found["mean"], pixels.mean((0, 1, 2)))

    @parameterized.parameters(
        (
            {"class_names": ("cat", "dog")},
            r"expected logits \[B, 2\], one for each class name of the card; got a student of "
            r"\[None, 10\]: ",
        ),
        ({"class_names": (*"abcdefghi", "j\nk")}, r"class names: expected text .*; got 'j\\nk'"),
        ({"class_names": (*"abcdefghi", "")}, "class names: expected text .*; got ''"),
        (
            {"normalization": data.Normalization((0.5,) * 2, (0.5,) * 3)},
            "expected a mean for each of the card's 3 channels, or one for all; got 2: ",
        ),
        (
            {"normalization": data.Normalization((0.5,), (0.5,) * 4)},
            "expected a deviation for each of the card's 3 channels, or one for all; got 4: ",
        ),
        (
            {"class_names": range(10)},
            "class names: expected text; got 0, which is of int: pass '0'",
        ),
        (
            {"more": {"by": object()}},
            "expected a card of facts that JSON can hold; got another: .*",
        ),
    )
    def test_a_card_that_is_not_of_the_student_is_refused(self, change, message):
        student = exported_students.student()
        card = dataclasses.replace(Card.of(student, self.dataset), **change)
        with self.assertRaisesRegex(ValueError, f"^{message}") as caught:
            serving.export_student(student, self.folder / "resnet8", card=card)
        self.assertNotIn("\n", str(caught.exception))
        self.assertEmpty(list(self.folder.iterdir()))

    @parameterized.parameters("a.keras", "a.weights.h5", "a.onnx", "a.int8.tflite")
    def test_the_name_of_a_file_is_refused_before_anything_is_written(self, name):
        student = exported_students.student()
        card, path = Card.of(student, self.dataset), self.folder / name
        logits = answering.of_student(student, card.normalization)
        for export in (
            lambda: serving.export_student(student, path, card=card),
            lambda: saved_model.export_function(logits, path, card=card),
        ):
            message = (
                f"^expected the path of a folder, .*; got {path}, the name of a file: leave out"
            )
            with self.assertRaisesRegex(ValueError, message) as caught:
                export()
            self.assertNotIn("\n", str(caught.exception))
            self.assertEmpty(list(self.folder.iterdir()))

    def test_a_student_that_gives_no_logits_is_refused(self):
        student = exported_students.student()
        card = Card.of(student, self.dataset)
        soft = keras.Model(
            student.input, keras.layers.Dense(10, activation="softmax")(student.output)
        )
        own = keras.Model(student.input, keras.layers.Softmax()(student.output))
        half = keras.layers.Activation("softmax", dtype="mixed_bfloat16")(student.output)
        one = keras.Model(student.input, keras.layers.Dense(1)(student.output))
        for model, message in (
            (
                soft,
                "the student ends in a softmax; an export needs logits: build it with classifier_",
            ),
            (own, "the student ends in a softmax; an export needs logits: "),
            (keras.Model(student.input, half), "the student ends in a softmax; an export needs"),
            (
                exported_students.Probabilities(student),
                "the student gives probabilities: .*; an export needs logits",
            ),
            (one, "the student gives one logit; an export needs one for each class"),
            (lambda images: images, "the student must be a keras.Model; got function"),
        ):
            with self.assertRaisesRegex(ValueError, f"^{message}") as caught:
                serving.export_student(model, self.folder / "soft", card=card)
            self.assertNotIn("\n", str(caught.exception))
        self.assertEmpty(list(self.folder.iterdir()))

    @parameterized.parameters((16, 16, 3), (8, 8, 1), (8, 16, 3))
    def test_a_card_of_other_images_than_the_students_is_refused(self, *shape):
        normalization = data.Normalization((0.5,), (1.0,))
        card = Card("a", shape, tuple("abcdefghij"), normalization)
        message = (
            rf"^expected a student of the card's images, \[None, {', '.join(map(str, shape))}\]; got "
            r"one of \(None, 8, 8, 3\): give the card the size of the student's images$"
        )
        for student in (exported_students.student(), exported_students.Flattening()):
            with self.assertRaisesRegex(ValueError, message):
                serving.export_student(student, self.folder / "a", card=card)
        self.assertEmpty(list(self.folder.iterdir()))


if __name__ == "__main__":
    tf.test.main()
