"""Tests of kdcl_tf.teachers."""

import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras.applications import imagenet_utils

from kdcl_tf import data, serving, students
from kdcl_tf.serving import cards, teachers
from kdcl_tf.serving.cards import Card


class TeachersTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = data.load("digits", image_size=8)
        keras.utils.set_random_seed(0)
        cls.model = students.build("resnet8", 10, cls.dataset.image_shape)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _export(self, name="resnet8"):
        path = self.folder / "students" / name
        return serving.export_student(self.model, path, card=Card.of(self.model, self.dataset))

    def test_images_normalised_otherwise_are_brought_back_to_pixels(self):
        teacher = teachers.ServedTeacher(self._export(), mean=[0.5], deviation=[0.25])
        pixels = self.dataset.test.images[:4].astype(np.float32) / 255.0
        expected = self.model(self.dataset.normalization.apply(self.dataset.test.images[:4]))
        self.assertAllClose(teacher((pixels - 0.5) / 0.25), expected, atol=1e-4)

    def test_the_same_teacher_for_images_of_another_normalisation(self):
        first = teachers.ServedTeacher(self._export(), mean=[0.5], deviation=[0.25])
        second = first.renormalized(data.Normalization((0.1,), (2.0,), "BGR"))
        pixels = self.dataset.test.images[:4].astype(np.float32) / 255.0
        self.assertAllClose(second((pixels - 0.1) / 2.0), first((pixels - 0.5) / 0.25), atol=1e-4)
        again = teachers.ServedTeacher.from_config(second.get_config())
        self.assertEqual(again.normalization, second.normalization)

    def test_a_teacher_without_a_card_keeps_its_own_normalisation_when_it_is_saved(self):
        path = serving.save_keras(self.model, self.folder / "a.keras")
        own, other = data.Normalization((0.5,), (0.25,)), data.Normalization((0.1,), (2.0,), "BGR")
        second = teachers.ServedTeacher(path, **own.as_card()).renormalized(other)
        pixels = self.dataset.test.images[:4].astype(np.float32) / 255.0
        wanted = self.model(own.apply_fractions(pixels), training=False)
        config = json.loads(json.dumps(second.get_config()))
        for teacher in (second, teachers.ServedTeacher.from_config(config)):
            self.assertAllClose(teacher((pixels - 0.1) / 2.0), wanted, atol=1e-4)

    def test_a_keras_file_for_images_of_any_size_is_a_teacher_of_the_students(self):
        shape = self.dataset.image_shape
        model = keras.models.clone_model(self.model, keras.Input((None, None, shape[2])))
        model.set_weights(self.model.get_weights())
        model.save(self.folder / "any.keras")
        images = self.dataset.normalization.apply(self.dataset.test.images[:4])
        for path in (self.folder / "any.keras", f"resnet8={self.folder / 'any.keras'}"):
            teacher = teachers.ServedTeacher(path, [0.5], [0.25], image_shape=shape)
            self.assertEqual(teacher.card["image_shape"], list(shape))
            self.assertAllClose(teacher(images), self.model(images, training=False), atol=1e-4)
            again = teachers.ServedTeacher.from_config(teacher.get_config())
            self.assertAllClose(again(images), teacher(images), atol=1e-5)

    def test_weights_of_any_kind_are_a_teacher(self):
        own = data.Normalization((0.3,), (0.6,))
        pixels = self.dataset.test.images[:4].astype(np.float32) / 255.0
        expected = self.model(own.apply_fractions(pixels), training=False)
        names = self.dataset.class_names
        card = serving.Card("resnet8", self.dataset.image_shape, names, own, architecture="resnet8")
        keras_path = serving.save_keras(self.model, self.folder / "a.keras")
        weights_path = serving.save_weights(self.model, self.folder / "a.weights.h5")
        images = (pixels - 0.5) / 0.25
        shape = self.dataset.image_shape
        for path in (keras_path, f"resnet8={weights_path}"):
            # They say nothing, and are taken to have the students' normalisation and classes.
            teacher = teachers.ServedTeacher(path, [0.5], [0.25], names, image_shape=shape)
            wanted = self.model(images, training=False)
            self.assertAllClose(teacher(images), wanted, atol=1e-4)
            self.assertEmpty(teacher.variables)
            again = teachers.ServedTeacher.from_config(teacher.get_config())
            self.assertAllClose(again(images), teacher(images), atol=1e-5)
        cards.write(card, weights_path)
        teacher = teachers.ServedTeacher(weights_path, [0.5], [0.25], names)
        self.assertAllClose(teacher(images), expected, atol=1e-4)
        cards.write(card, keras_path)
        with self.assertRaisesRegex(ValueError, "alone; got .*a.keras of 10"):
            teachers.ServedTeacher(keras_path, [0.5], [0.25], names[:3])

    def test_a_keras_file_that_gives_no_logits_of_normalised_images_is_refused(self):
        images, shape = self.model.input, self.dataset.image_shape
        probabilities = keras.layers.Softmax()(self.model(images))
        scaled = keras.Input(shape)
        models = {
            "soft": keras.Model(images, probabilities),
            "scaled": keras.Model(
                scaled, self.model(keras.layers.Rescaling(1 / 255, name="halve")(scaled))
            ),
            "computed": keras.Model(
                scaled, self.model(imagenet_utils.preprocess_input(scaled, mode="tf"))
            ),
        }
        paths = {name: self.folder / f"{name}.keras" for name in (*models, "good")}
        for name, model in models.items():
            model.save(paths[name])
        self.model.save(paths["good"])
        for path, message in (
            (paths["soft"], f"the teacher {paths['soft']} ends in a softmax"),
            (paths["scaled"], f"{paths['scaled']}: .*normalised images.* layer halve scales"),
            (paths["computed"], f"{paths['computed']}: .*divide.* before any layer with weights"),
            (
                f"resnet14={paths['good']}",
                f"{paths['good']} is no resnet14: expected .* got nothing",
            ),
        ):
            with self.assertRaisesRegex(ValueError, message) as caught:
                teachers.ServedTeacher(path, [0.5], [0.25], self.dataset.class_names)
            self.assertNotIn("\n", str(caught.exception))
        given = (f"resnet8={paths['good']}", [0.5], [0.25], self.dataset.class_names)
        self.assertEqual(teachers.ServedTeacher(*given).card["image_shape"], list(shape))

    def test_by_default_images_are_normalised_as_it_learned_them(self):
        teacher = teachers.ServedTeacher(self._export())
        images = self.dataset.normalization.apply(self.dataset.test.images[:4])
        self.assertAllClose(teacher(images), self.model(images), atol=1e-4)
        self.assertEmpty(teacher.variables)
        again = teachers.ServedTeacher.from_config(teacher.get_config())
        self.assertAllClose(again(images), teacher(images))

    def test_logits_come_in_the_order_of_the_students_classes(self):
        names = [str(digit) for digit in (1, 0, *range(9, 1, -1))]
        teacher = teachers.ServedTeacher(self._export(), class_names=names)
        images = self.dataset.normalization.apply(self.dataset.test.images[:4])
        expected = self.model(images).numpy()[:, [1, 0, *range(9, 1, -1)]]
        self.assertAllClose(teacher(images), expected, atol=1e-4)
        again = teachers.ServedTeacher.from_config(teacher.get_config())
        self.assertAllClose(again(images), teacher(images))

    def test_other_classes_are_refused_unless_matched_by_position(self):
        path, names = self._export(), [f"digit {digit}" for digit in range(10)]
        with self.assertRaisesRegex(ValueError, "have the classes of the teacher; got 10 of 10"):
            teachers.ServedTeacher(path, class_names=names)
        teacher = teachers.ServedTeacher(path, class_names=names, match_classes="position")
        images = self.dataset.normalization.apply(self.dataset.test.images[:4])
        self.assertAllClose(teacher(images), self.model(images), atol=1e-4)
        again = teachers.ServedTeacher.from_config(teacher.get_config())
        self.assertEqual(again.match_classes, "position")
        with self.assertRaisesRegex(ValueError, "of the students' 2 classes alone; got .* of 10"):
            teachers.ServedTeacher(path, class_names=("3", "4"))

    def test_what_gives_no_logits_is_refused(self):
        softmax = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
        with self.assertRaisesRegex(ValueError, "the teacher ends in a softmax"):
            teachers.frozen(softmax)
        with self.assertRaisesRegex(ValueError, "the teacher must be a keras.Model; got int"):
            teachers.frozen(3)

    def test_num_classes(self):
        self.assertEqual(teachers.num_classes(teachers.frozen(self._export())), 10)
        self.assertEqual(teachers.num_classes(teachers.frozen(self.model)), 10)


if __name__ == "__main__":
    tf.test.main()
