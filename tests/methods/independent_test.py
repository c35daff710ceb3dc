"""Tests of vanilla training side by side."""

import keras
import tensorflow as tf
from plain_step import batch, students

import kdcl_tf


class IndependentTest(tf.test.TestCase):
    def test_each_student_learns_as_keras_would_teach_it_alone(self):
        views, labels = batch(examples=24)
        cohort = kdcl_tf.Independent(students())
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        cohort.fit(views, labels, batch_size=7, epochs=2, shuffle=False, verbose=0)
        for name, student in students().items():
            student.compile(
                keras.optimizers.SGD(0.1, momentum=0.9),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
            student.fit(views[name], labels, batch_size=7, epochs=2, shuffle=False, verbose=0)
            self.assertAllClose(student.weights, cohort.students[name].weights, 1e-5, 1e-6)

    def test_nothing_is_distilled(self):
        losses = kdcl_tf.Independent(students()).distillation_losses(tf.ones([2, 4, 5]), None, {})
        self.assertAllEqual(losses, tf.zeros([2, 4]))


if __name__ == "__main__":
    tf.test.main()
