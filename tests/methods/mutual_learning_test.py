"""Tests of kdcl_tf.methods.mutual_learning."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import MutualLearning
from kdcl_tf.objectives import losses

_RATE, _MOMENTUM = 0.2, 0.9


def _students(count):
    students = {}
    for row, name in enumerate("zay"[:count]):
        layers = [
            keras.Input((5,)),
            keras.layers.Dense(3 + row, "tanh", kernel_initializer=_initializer(row)),
            keras.layers.Dense(4, kernel_initializer=_initializer(10 + row)),
        ]
        students[name] = keras.Sequential(layers)
    return students


def _initializer(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def _data(examples=12):
    rng = np.random.default_rng(examples)
    images = rng.normal(size=[examples, 5]).astype(np.float32)
    return images, rng.integers(4, size=examples)


def _divergence(p, q):
    return (p * (np.log(p) - np.log(q))).sum(-1)


def _softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


class LossTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(students=(2, 3), temperature=(1.0, 3.0))
    def test_it_is_the_mean_divergence_from_the_peers(self, students, temperature):
        logits = np.random.default_rng(0).normal(size=[students, 6, 4])
        p = _softmax(logits / temperature)
        expected = [
            temperature**2
            * np.mean([_divergence(p[j], p[i]) for j in range(students) if j != i], axis=0)
            for i in range(students)
        ]
        cohort = MutualLearning(_students(students), temperature=temperature)
        found = cohort.distillation_losses(tf.constant(logits, tf.float32), None, None)
        self.assertAllClose(found, expected, atol=1e-5)

    def test_a_student_alone_loses_nothing(self):
        found = MutualLearning(_students(1)).distillation_losses(tf.ones([1, 6, 4]), None, None)
        self.assertAllEqual(found, np.zeros([1, 6]))

    def test_the_peers_are_constants(self):
        cohort = MutualLearning(_students(3))
        logits = tf.Variable(tf.random.stateless_normal([3, 6, 4], [0, 0]))
        with tf.GradientTape() as tape:
            first = tf.reduce_sum(cohort.distillation_losses(logits, None, None)[0])
        gradient = tf.convert_to_tensor(tape.gradient(first, logits)).numpy()
        self.assertGreater(np.abs(gradient[0]).max(), 1e-3)
        self.assertAllEqual(gradient[1:], np.zeros([2, 6, 4]))


class IdentityTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(students=(2, 3, 5), temperature=(1.0, 2.0))
    def test_its_gradient_is_that_of_distilling_the_mean_peer(self, students, temperature):
        logits = tf.Variable(3.0 * tf.random.stateless_normal([students, 6, 4], [students, 0]))
        cohort = MutualLearning(_students(2), temperature=temperature)
        with tf.GradientTape(persistent=True) as tape:
            mutual = tf.reduce_sum(cohort.distillation_losses(logits, None, None))
            p = tf.stop_gradient(tf.nn.softmax(logits / temperature))
            means = (tf.reduce_sum(p, axis=0) - p) / (students - 1)
            offline = tf.add_n(
                [
                    tf.reduce_sum(losses.distillation(means[i], logits[i], temperature))
                    for i in range(students)
                ]
            )
        found, wanted = tape.gradient(mutual, logits), tape.gradient(offline, logits)
        self.assertAllClose(found, wanted, atol=1e-5)
        # The losses differ by how much the peers disagree, which no student can change.
        self.assertEqual(students > 2, float(mutual - offline) > 1e-2)


class StepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(1.0, 2.0)
    def test_two_steps_equal_those_by_hand(self, temperature):
        students = _students(2)
        cohort = MutualLearning(students, temperature=temperature, distillation_weight=0.5)
        models = [keras.models.clone_model(each) for each in students.values()]
        for model, student in zip(models, students.values()):
            model.set_weights(student.get_weights())
        cohort.compile(keras.optimizers.SGD(_RATE, momentum=_MOMENTUM), run_eagerly=True)
        batches = [_data(12), _data(7)]
        for images, labels in batches:
            cohort.train_on_batch(images, labels)
        _train_by_hand(models, batches, temperature, 0.5)
        for model, student in zip(models, students.values()):
            for found, expected in zip(student.get_weights(), model.get_weights()):
                self.assertAllClose(found, expected, atol=2e-6)


def _train_by_hand(models, batches, temperature, weight):
    """DML in plain TensorFlow: both students step from the same forward passes."""
    variables = [each for model in models for each in model.trainable_variables]
    velocities = [np.zeros(each.shape, np.float32) for each in variables]
    for images, labels in batches:
        with tf.GradientTape() as tape:
            logits = [model(images) for model in models]
            loss = 0.0
            for own, peer in (logits, logits[::-1]):
                p = tf.stop_gradient(tf.nn.softmax(peer / temperature))
                divergence = keras.losses.kl_divergence(p, tf.nn.softmax(own / temperature))
                hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, own)
                loss += tf.reduce_mean(hard + weight * temperature**2 * divergence)
        for i, gradient in enumerate(tape.gradient(loss, variables)):
            velocities[i] = _MOMENTUM * velocities[i] - _RATE * gradient
            variables[i].assign_add(velocities[i])


if __name__ == "__main__":
    tf.test.main()
