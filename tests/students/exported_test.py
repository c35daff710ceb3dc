"""Tests of the students for ImageNet as SavedModels, in which TensorFlow fuses layers."""

import pathlib

import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.serving.cards import Card
from tests.students.plain_layers import move_statistics


class ExportedStudentsTest(tf.test.TestCase, parameterized.TestCase):
    # Convolutions, batch norms and relu6 must run where a tanh in its place would not.
    @parameterized.parameters(
        ("resnet18", "float32"),
        ("mobilenet_v2_0.5", "float32"),
        ("mobilenet_v2_0.5", "mixed_bfloat16"),
        ("keras:MobileNetV3Small", "float32"),
    )
    @pytest.mark.slow
    def test_an_exported_student_gives_the_same_logits(self, name, dtype):
        dataset = data.load("digits", image_size=32)
        student = students.build(name, 10, dataset.image_shape, dtype=dtype)
        move_statistics(student)
        path = pathlib.Path(self.create_tempdir().full_path) / students.model_name_of(name)
        serving.export_student(student, path, card=Card.of(student, dataset, name))
        predict, card = serving.load_student(path)
        self.assertEqual(card["student"], students.model_name_of(name))
        self.assertEqual(card["architecture"], name)
        images = dataset.test.images[:5]
        wanted = student(dataset.normalization.apply(images), training=False)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        tolerance = 1e-4 if dtype == "float32" else 0.05
        for count in (5, 1, 0):
            logits = predict(images[:count])["logits"]
            self.assertEqual(logits.shape, (count, 10))
            self.assertAllClose(logits / scale, wanted[:count] / scale, atol=tolerance)


if __name__ == "__main__":
    tf.test.main()
