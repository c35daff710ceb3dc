"""Tests of kdcl_tf.targets against float64 NumPy: the numbers that every target shares."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from numpy_targets import BY_EXAMPLE, NUMPY, as_probabilities, cross_entropy, random_logits, softmax

from kdcl_tf.objectives import targets


class KnownNumbersTest(tf.test.TestCase, parameterized.TestCase):
    # Cross-entropies of class 0: 1.5514 and 0.4076 for the first, 0.6931 twice for the second.
    logits = np.array([[[0.0, 1.0, -0.5], [1.0, 1.0, -50.0]], [[2.0, 1.0, 0.0], [3.0, 3.0, -90.0]]])
    labels = np.array([0, 0])

    def test_naive_takes_the_least_cross_entropy_and_the_first_of_equals(self):
        expected = softmax(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, -50.0]]) / 2.0)
        self.assertAllClose(targets.naive(self.logits, self.labels, 2.0), expected, atol=1e-6)

    def test_min_logit_takes_the_least_of_each_shifted_logit(self):
        expected = softmax(np.array([[0.0, -1.0, -2.0], [0.0, 0.0, -93.0]]) / 2.0)
        self.assertAllClose(targets.min_logit(self.logits, self.labels, 2.0), expected, atol=1e-6)

    def test_min_logit_shifts_by_the_mean_logit_under_soft_labels(self):
        logits = np.array([[[2.0, 0.0]], [[0.0, -4.0]]])
        # <y, z> is 1.5 and -1, so the shifted logits are [0.5, -1.5] and [1, -3].
        found = targets.min_logit(logits, np.array([[0.75, 0.25]]))
        self.assertAllClose(found, softmax(np.array([[0.5, -3.0]])), atol=1e-6)

    def test_error_matrix(self):
        errors = np.array([[1.0, -1.0], [0.5, 0.0]])
        self.assertAllClose(targets.error_matrix(errors), [[1.0, 0.25], [0.25, 0.125]])
        vectors = np.array([[[1.0, -1.0]], [[0.5, 2.0]]])
        self.assertAllClose(targets.error_matrix(vectors), [[2.0, -1.5], [-1.5, 4.25]])


class EquationTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(
        name=sorted(BY_EXAMPLE),
        students=(1, 2, 3, 4, 5),
        soft=(False, True),
        temperature=(1.0, 4.0),
    )
    def test_it_equals_numpy(self, name, students, soft, temperature):
        logits, labels = random_logits(students, soft=soft)
        found = BY_EXAMPLE[name](logits, labels, temperature)
        expected = NUMPY[name](logits, as_probabilities(labels, 6), temperature)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllClose(found, expected, atol=2e-5)

    @parameterized.product(
        name=sorted(BY_EXAMPLE), dtype=("float16", "bfloat16", "float32", "float64")
    )
    def test_any_float_type_gives_float32_of_the_rounded_logits(self, name, dtype):
        logits, labels = random_logits()
        rounded = tf.cast(logits, dtype)
        exact = tf.cast(rounded, tf.float64).numpy()
        for found, expected in (
            (
                BY_EXAMPLE[name](rounded, labels),
                NUMPY[name](exact, as_probabilities(labels, 6), 1.0),
            ),
            (targets.general(rounded, [0.2, 0.3, 0.5]), None),
        ):
            self.assertEqual(found.dtype, tf.float32)
            if expected is not None:
                self.assertAllClose(found, expected, atol=2e-5)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_every_form_of_one_label_gives_one_target(self, name):
        logits, labels = random_logits()
        expected = BY_EXAMPLE[name](logits, labels.astype("int32"))
        one_hot = np.eye(6)[labels]
        forms = (labels, labels[:, np.newaxis], labels.astype("uint8"), one_hot, one_hot == 1.0)
        for form in (*forms, one_hot.astype("int64"), labels.astype("float32")):
            self.assertAllClose(BY_EXAMPLE[name](logits, form), expected, atol=2e-4)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_the_policy_of_keras_changes_nothing(self, name):
        logits, labels = random_logits()
        expected = BY_EXAMPLE[name](logits, labels)
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        found = BY_EXAMPLE[name](logits, labels)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllEqual(found, expected)


class ExtremeTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=sorted(BY_EXAMPLE), students=(1, 2, 3))
    def test_logits_of_a_hundred_thousand_are_finite_and_right(self, name, students):
        rng = np.random.default_rng(0)
        logits = 1e5 * rng.choice([-1.0, 1.0], size=[students, 32, 5])
        logits[0, np.arange(32), rng.integers(5, size=32)] *= -1.0
        labels = rng.integers(5, size=32)
        found = BY_EXAMPLE[name](logits, labels, 2.0).numpy()
        self.assertTrue(np.isfinite(found).all())
        self.assertAllClose(found.sum(-1), np.ones(32), atol=1e-5)
        dense = np.eye(5)[labels]
        best = cross_entropy(dense, logits).min(0)
        solved = best < 1e-3
        self.assertAllGreater(found[solved, labels[solved]], 0.99)
        if name != "linear":
            expected = NUMPY[name](logits, dense, 2.0)
            self.assertAllClose(found, expected, atol=1e-5)

    def test_an_infinite_logit_of_another_class_does_not_meet_a_zero(self):
        logits = tf.constant([[[1.0, -np.inf, 2.0]]], tf.float32)
        expected = softmax(np.array([[1.0, -1e9, 2.0]]))
        for name in ("naive", "min_logit"):
            self.assertAllClose(BY_EXAMPLE[name](logits, [0]), expected, atol=1e-6)


def _trace(function, *specs):
    """The function in a graph that knows of its arguments what the specs say."""
    return tf.function(lambda *args: function(*args), input_signature=specs).get_concrete_function()


class FailureTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*BY_EXAMPLE)
    def test_logits_of_another_rank(self, name):
        with self.assertRaisesRegex(ValueError, r"logits must be \[M, B, C\]; got shape \(4, 3\)"):
            BY_EXAMPLE[name](np.zeros([4, 3]), np.zeros([4], int))

    @parameterized.parameters(([2, 7],), ([2, 3, 3],), ([],))
    def test_labels_of_another_shape(self, shape):
        message = r"labels must be \[B\] classes or \[B, 3\] probabilities for 3 classes; got shape"
        with self.assertRaisesRegex(ValueError, message):
            targets.naive(np.zeros([2, 2, 3]), np.zeros(shape, int))
        with self.assertRaisesRegex(ValueError, message):
            targets.dense_labels(np.zeros(shape, int), 3)

    def test_unknown_numbers_of_students_are_told_in_one_line(self):
        message = r"must have a known number of students M; got shape \(None, None.*ensure_shape"
        logits = tf.TensorSpec([None, None, 3])
        for target in (targets.linear, targets.linear_weights):
            with self.assertRaisesRegex(ValueError, f"logits {message}"):
                _trace(target, logits, tf.TensorSpec([None], tf.int32))
        for errors in (tf.TensorSpec([None, None]), logits):
            with self.assertRaisesRegex(ValueError, f"errors {message}"):
                _trace(targets.general_weights, errors)


class UnknownShapesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("naive", [3, None, 6], [None, None]),
        ("naive", [3, None, None], [None, 6]),
        ("naive", [None, None, None], [None, None]),
        ("min_logit", [3, None, None], [None, None]),
        ("linear", [3, None, 6], [None, None]),
    )
    def test_probabilities_of_unknown_width(self, name, logits_shape, labels_shape):
        logits, mixed = random_logits(3, soft=True)
        logits, mixed = tf.constant(logits, tf.float32), tf.constant(mixed, tf.float32)
        specs = tf.TensorSpec(logits_shape), tf.TensorSpec(labels_shape)
        found = _trace(BY_EXAMPLE[name], *specs)(logits, mixed)
        self.assertAllClose(found, BY_EXAMPLE[name](logits, mixed), atol=1e-6)

    @parameterized.parameters("naive", "min_logit")
    def test_unknown_numbers_of_students(self, name):
        logits, labels = random_logits()
        logits = tf.constant(logits, tf.float32)
        specs = tf.TensorSpec([None, None, None]), tf.TensorSpec([None], tf.int64)
        found = _trace(BY_EXAMPLE[name], *specs)(logits, tf.constant(labels, tf.int64))
        self.assertAllClose(found, BY_EXAMPLE[name](logits, labels), atol=1e-6)

    @parameterized.parameters(([3, None],), ([3, None, 4],), ([3, None, None],))
    def test_weights_of_unknown_numbers_of_examples(self, shape):
        errors = np.random.default_rng(0).normal(size=[3, 7, 4][: len(shape)])
        errors = tf.constant(errors, tf.float32)
        found = _trace(targets.general_weights, tf.TensorSpec(shape))(errors)
        self.assertAllClose(found, targets.general_weights(errors))

    @parameterized.product(classes=(4, None), width=(1, 3))
    def test_probabilities_of_another_width_are_refused(self, classes, width):
        naive = _trace(
            targets.naive, tf.TensorSpec([3, None, classes]), tf.TensorSpec([None, None])
        )
        with self.assertRaises(tf.errors.InvalidArgumentError):
            naive(tf.zeros([3, 5, 4]), tf.ones([5, width]))

    def test_integers_of_unknown_width_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"got shape \(None, None\): tell it by tf.ensure"):
            _trace(
                targets.naive, tf.TensorSpec([3, None, 4]), tf.TensorSpec([None, None], tf.int32)
            )


class LabelsTest(tf.test.TestCase):
    def test_are_probabilities(self):
        for shape, dtype, classes, expected in (
            ([5], tf.float32, 4, False),
            ([5, 1], tf.float32, 4, False),
            ([5, 4], tf.int32, 4, True),
            ([5, 3], tf.float32, 4, False),
            ([5, None], tf.float32, 4, True),
            ([5, None], tf.int32, 4, False),
            ([5, 1], tf.float32, None, False),
            ([5, 4], tf.float32, None, True),
            (None, tf.float32, 4, False),
        ):
            labels = tf.TensorSpec(shape, dtype)
            self.assertEqual(targets.are_probabilities(labels, classes), expected)

    def test_dense_labels(self):
        expected = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        self.assertAllEqual(targets.dense_labels([1, 2], 3), expected)
        self.assertAllEqual(targets.dense_labels([[1], [2]], 3), expected)
        soft = np.array([[0.1, 0.9, 0.0]])
        self.assertAllClose(targets.dense_labels(soft, 3), soft)

    def test_target_logits_of_one_and_of_many_students(self):
        logits, labels = random_logits()
        expected = logits[:, np.arange(16), labels]
        logits = tf.constant(logits, tf.float32)
        self.assertAllClose(targets.target_logits(logits, labels), expected)
        self.assertAllClose(targets.target_logits(logits[0], labels), expected[0])
        self.assertAllClose(targets.target_logits(logits, np.eye(6)[labels]), expected)
        for dtype in (tf.bfloat16, tf.float64):
            for form in (labels, np.eye(6)[labels]):
                found = targets.target_logits(tf.cast(logits, dtype), form)
                self.assertEqual(found.dtype, tf.float32)
                self.assertAllClose(found, expected, rtol=1e-2, atol=1e-2)


if __name__ == "__main__":
    tf.test.main()
