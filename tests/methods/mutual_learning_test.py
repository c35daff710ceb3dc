"""Tests of deep mutual learning."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from plain_step import batch, students, train

import kdcl_tf


def _each_other(temperature):
    def targets(logits, labels):
        first, second = (tf.nn.softmax(each / temperature) for each in logits)
        return [[second], [first]]

    return targets


class MutualLearningTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1.0, 2.0)
    def test_three_steps_equal_plain_tensorflow(self, temperature):
        batches = [batch(seed) for seed in range(3)]
        wanted = students()
        train(wanted, _each_other(temperature), batches, 1.0, temperature)
        cohort = kdcl_tf.MutualLearning(students(), temperature=temperature)
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        for each in batches:
            cohort.train_step(each)
        for name, student in cohort.students.items():
            self.assertAllClose(student.weights, wanted[name].weights, 2e-6, 2e-6)

    def test_the_temperature_is_1_unless_told(self):
        self.assertEqual(kdcl_tf.MutualLearning(students()).temperature, 1.0)

    def test_three_students_average_over_two_peers(self):
        logits = tf.random.stateless_normal([3, 4, 5], seed=(1, 2))
        cohort = kdcl_tf.MutualLearning(students())
        losses = cohort.distillation_losses(logits, tf.zeros([4], tf.int32), {})
        p = tf.nn.softmax(logits).numpy().astype(np.float64)
        divergence = lambda i, j: np.sum(p[j] * np.log(p[j] / p[i]), axis=-1)  # noqa: E731
        wanted = [np.mean([divergence(i, j) for j in range(3) if j != i], axis=0)
                  for i in range(3)]  # fmt: skip
        self.assertAllClose(losses, wanted, 1e-5, 1e-6)

    def test_the_gradient_is_that_of_imitating_the_mean_peer(self):
        logits = tf.random.stateless_normal([3, 4, 5], seed=(3, 4))
        cohort = kdcl_tf.MutualLearning(students())
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.reduce_sum(cohort.distillation_losses(logits, None, {}))
        p = tf.nn.softmax(logits)
        peers = (tf.reduce_sum(p, axis=0) - p) / 2
        self.assertAllClose(tape.gradient(loss, logits), p - peers, 1e-5, 1e-6)

    def test_a_student_alone_has_nobody_to_learn_from(self):
        cohort = kdcl_tf.MutualLearning({"small": students()["small"]})
        losses = cohort.distillation_losses(tf.ones([1, 4, 5]), None, {})
        self.assertAllEqual(losses, tf.zeros([1, 4]))


if __name__ == "__main__":
    tf.test.main()
