"""Tests of KDCL: its step against plain TensorFlow, and its held-out weights."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from plain_step import batch, students, train

import kdcl_tf

_T = 2.0


def _one_hot(labels):
    return np.eye(5, dtype=np.float32)[labels]


def _naive(logits, labels):
    losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels, each) for each in logits]
    best = np.argmin(losses, axis=0)
    return np.stack([logits[k][example] for example, k in enumerate(best)])


def _linear(logits, labels):
    """The best of a fine grid of weights: two students have one weight to choose."""
    grid = np.linspace(0, 1, 4001)
    mixed = [alpha * logits[0] + (1 - alpha) * logits[1] for alpha in grid]
    losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels, each) for each in mixed]
    best = np.argmin(losses, axis=0)
    return np.stack([mixed[k][example] for example, k in enumerate(best)])


def _min_logit(logits, labels):
    shifted = [each - np.sum(each * _one_hot(labels), axis=1, keepdims=True) for each in logits]
    return np.minimum(*shifted)


def _softened(ensemble):
    def targets(logits, labels):
        logits = [each.numpy() for each in logits]
        target = tf.nn.softmax(ensemble(logits, labels.numpy()) / _T)
        return [[target], [target]]

    return targets


def _general(logits, labels):
    """Equal weights, which is where General starts."""
    target = tf.reduce_mean([tf.nn.softmax(each / _T) for each in logits], axis=0)
    return [[target], [target]]


_SOFT_TARGETS = {
    "naive": _softened(_naive),
    "linear": _softened(_linear),
    "min_logit": _softened(_min_logit),
    "general": _general,
}


def _compiled(members, **arguments):
    cohort = kdcl_tf.KDCL(members, **arguments)
    cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    return cohort


class KDCLTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.product(ensemble=("naive", "linear", "min_logit", "general"), weight=(1.0, 0.3))
    def test_three_steps_equal_plain_tensorflow(self, ensemble, weight):
        batches = [batch(seed) for seed in range(3)]
        wanted = students()
        train(wanted, _SOFT_TARGETS[ensemble], batches, weight)
        cohort = _compiled(students(), ensemble=ensemble, distillation_weight=weight)
        step = tf.function(cohort.train_step)
        for each in batches:
            step(each)
        for name, student in cohort.students.items():
            # The grid of the reference resolves Linear's weights to 1e-4 only.
            tolerance = 1e-4 if ensemble == "linear" else 2e-6
            self.assertAllClose(student.weights, wanted[name].weights, tolerance, tolerance)

    def test_no_weight_on_distillation_is_vanilla(self):
        views, labels = batch()
        alone = kdcl_tf.Independent(students())
        alone.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        together = _compiled(students(), distillation_weight=0.0)
        for cohort in (alone, together):
            cohort.train_step((views, labels))
        self.assertAllEqual(*[np.concatenate([np.ravel(w) for w in each.trainable_weights])
                              for each in (alone, together)])  # fmt: skip

    @parameterized.parameters("naive", "linear", "min_logit", "general")
    def test_a_student_alone_is_vanilla(self, ensemble):
        views, labels = batch()
        members = [{"small": students()["small"]} for _ in range(2)]
        alone = kdcl_tf.Independent(members[0])
        alone.compile(keras.optimizers.SGD(0.1))
        together = kdcl_tf.KDCL(members[1], ensemble=ensemble)
        together.compile(keras.optimizers.SGD(0.1))
        for cohort in (alone, together):
            cohort.train_step((views["small"], labels))
        self.assertAllClose(members[0]["small"].weights, members[1]["small"].weights, 1e-6, 1e-6)

    def test_a_student_gets_no_gradient_from_what_another_learns(self):
        views, labels = batch()
        cohort = _compiled(students(), ensemble="linear")
        with tf.GradientTape() as tape:
            logits = cohort.stacked_logits(views, training=True)
            small = tf.reduce_sum(cohort.distillation_losses(logits, labels, views)[0])
        gradients = tape.gradient(
            small,
            cohort.students["large"].trainable_variables,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        self.assertAllEqual([np.abs(each).max() for each in gradients], np.zeros(4))

    def test_held_out_weights_are_the_minimiser_of_the_squared_error(self):
        cohort = _compiled(students(), ensemble="general")
        held_out = [(batch(seed)[0]["small"], batch(seed)[1]) for seed in range(3)]
        weights = cohort.renew_ensemble(held_out)
        images = np.concatenate([images for images, _ in held_out])
        labels = np.concatenate([labels for _, labels in held_out])
        errors = [tf.nn.softmax(student.predict(images, verbose=0)) - _one_hot(labels)
                  for student in cohort.students.values()]  # fmt: skip
        grid = np.linspace(0, 1, 10001)
        squared = [np.sum((w * errors[0] + (1 - w) * errors[1]) ** 2) for w in grid]
        self.assertAlmostEqual(weights["small"], grid[np.argmin(squared)], delta=2e-3)
        self.assertAllClose(cohort.ensemble.student_weights, list(weights.values()))

    def test_renewing_needs_weights_and_images(self):
        with self.assertRaisesRegex(ValueError, "Naive has no weights to renew"):
            _compiled(students(), ensemble="naive").renew_ensemble([batch()])
        with self.assertRaisesRegex(ValueError, "held-out images; got none"):
            _compiled(students(), ensemble="general").renew_ensemble([])

    @parameterized.parameters("naive", "linear", "min_logit", "general")
    def test_saving_keeps_students_order_ensemble_and_state(self, ensemble):
        cohort = _compiled(dict(reversed(students().items())), ensemble=ensemble)
        cohort.train_step(batch())
        path = f"{self.create_tempdir().full_path}/cohort.keras"
        cohort.save(path)
        loaded = keras.saving.load_model(path)
        self.assertEqual(list(loaded.students), list(cohort.students))
        self.assertIs(type(loaded.ensemble), type(cohort.ensemble))
        for each in (cohort, loaded):
            each.train_step(batch(1))
        pairs = itertools.zip_longest(
            [*cohort.variables, *cohort.optimizer.variables],
            [*loaded.variables, *loaded.optimizer.variables],
        )
        for mine, other in pairs:
            self.assertAllEqual(mine, other)


if __name__ == "__main__":
    tf.test.main()
