"""Tests of kdcl_tf.serving.answering."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import answering
from tests.students.plain_layers import move_statistics


def _constant(*logits):
    return lambda pixels: tf.tile(tf.constant([logits], tf.float32), [len(pixels), 1])


class AnsweringTest(tf.test.TestCase):
    def test_a_student_is_given_normalised_images_and_computes_in_float32(self):
        keras.utils.set_random_seed(0)
        student = students.build("resnet8", 3, (8, 8, 3), dtype="mixed_bfloat16")
        move_statistics(student)
        normalization = Normalization((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
        pixels = np.random.default_rng(0).random([4, 8, 8, 3]).astype(np.float32)
        found = answering.of_student(student, normalization)(tf.constant(pixels))
        plain = students.build("resnet8", 3, (8, 8, 3))
        plain.set_weights(student.get_weights())
        expected = plain((pixels - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7], training=False)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllClose(found, expected, rtol=1e-5, atol=1e-5)
        of_levels = answering.of_grey_levels(student, normalization)(tf.constant(255.0 * pixels))
        self.assertAllClose(of_levels, expected, rtol=1e-4, atol=1e-4)

    def test_a_student_that_ends_in_a_softmax_is_refused(self):
        inputs = keras.Input((8, 8, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        soft = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(pooled))
        message = "^the student ends in a softmax; an export needs logits: build it with .*"
        for made in (answering.of_student, answering.of_grey_levels):
            with self.assertRaisesRegex(ValueError, message):
                made(soft, Normalization((0.5,), (0.5,)))

    def test_probabilities_are_averaged(self):
        members = [_constant(0.0, 0.0), _constant(np.log(3.0), 0.0)]
        found = answering.answers(answering.averaged(members)(np.zeros([2, 1])))
        expected = [[0.625, 0.375]] * 2
        self.assertAllClose(found["probabilities"], expected, atol=1e-6)
        self.assertAllClose(found["logits"], np.log(expected), atol=1e-6)

    def test_one_member_or_members_that_agree_are_the_member(self):
        one = _constant(1.0, 2.0, -3.0)
        expected = tf.nn.log_softmax(one([0]))
        for count in (1, 3):
            self.assertAllClose(answering.averaged([one] * count)([0]), expected, atol=1e-6)

    def test_what_no_member_believes_stays_finite(self):
        found = answering.averaged([_constant(300.0, 0.0), _constant(310.0, 0.0)])([0])
        # -300 + log((1 + e^-10) / 2).
        self.assertAllClose(found, [[0.0, -300.0 - np.log(2.0)]], atol=1e-3)


if __name__ == "__main__":
    tf.test.main()
