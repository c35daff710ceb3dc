"""Tests of KDCL-General: its average, and the weights of Eqs. 8-11, in float64 NumPy."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from numpy_targets import random_logits, softmax

from kdcl_tf.objectives import targets


class GeneralWeightsTest(tf.test.TestCase, parameterized.TestCase):
    def _value(self, errors, weights):
        return (np.einsum("m,mn->n", weights, errors.reshape(len(errors), -1)) ** 2).sum()

    def _brute_force(self, errors):
        """The least squared error over the simplex, each support by Eq. 11."""
        flat = errors.reshape(len(errors), -1)
        matrix = flat @ flat.T
        values = []
        for bits in itertools.product([False, True], repeat=len(errors)):
            support = np.flatnonzero(bits)
            if support.size:
                inverse = np.linalg.inv(matrix[np.ix_(support, support)]).sum(1)
                weights = np.zeros(len(errors))
                weights[support] = inverse / inverse.sum()
                if weights.min() >= 0:
                    values.append(self._value(errors, weights))
        return min(values)

    @parameterized.product(
        students=(1, 2, 3, 5, 8), shape=((60,), (60, 10)), offset=(0.0, 0.5, 3.0)
    )
    def test_no_support_has_a_smaller_error(self, students, shape, offset):
        rng = np.random.default_rng(students)
        scale = rng.uniform(0.3, 2.0, [students, *[1] * len(shape)])
        errors = offset + scale * rng.normal(size=[students, *shape])
        weights = targets.general_weights(errors).numpy().astype(np.float64)
        self.assertAllClose(weights.sum(), 1.0)
        self.assertGreaterEqual(weights.min(), 0.0)
        best = self._brute_force(errors)
        self.assertAllClose(self._value(errors, weights), best, rtol=1e-4)

    def test_it_is_equation_11_where_that_is_inside(self):
        errors = np.random.default_rng(0).normal(size=[4, 200])
        inverse = np.linalg.inv(errors @ errors.T / 200).sum(1)
        expected = inverse / inverse.sum()
        self.assertGreater(expected.min(), 0.0)
        self.assertAllClose(targets.general_weights(errors), expected, atol=1e-6)

    @parameterized.product(students=(1, 2, 5), error=(0.0, 1e-7, 1.0))
    def test_identical_students_share_alike(self, students, error):
        errors = np.full([students, 9, 3], error)
        self.assertAllClose(
            targets.general_weights(errors), np.full(students, 1 / students), atol=1e-5
        )

    def test_the_perfect_student_gets_everything(self):
        errors = np.random.default_rng(0).normal(size=[3, 20])
        errors[1] = 0.0
        self.assertAllClose(targets.general_weights(errors), [0.0, 1.0, 0.0], atol=1e-6)

    def test_the_ridge_is_a_part_of_the_mean_diagonal(self):
        errors = np.random.default_rng(0).normal(size=[3, 50]) * [[1.0], [2.0], [3.0]]
        matrix = errors @ errors.T / 50
        matrix += 0.5 * np.trace(matrix) / 3 * np.eye(3)
        inverse = np.linalg.inv(matrix).sum(1)
        expected = inverse / inverse.sum()
        self.assertAllClose(targets.general_weights(errors, ridge=0.5), expected, atol=1e-6)

    def test_a_ridge_below_0_is_refused(self):
        with self.assertRaisesRegex(ValueError, "ridge must be >= 0; got -0.5"):
            targets.general_weights(np.ones([2, 3]), ridge=-0.5)

    @parameterized.parameters(*itertools.permutations(range(3)))
    def test_the_order_of_students_orders_the_weights(self, *order):
        order = list(order)
        errors = np.random.default_rng(0).normal(size=[3, 40]) + 0.3
        weights = targets.general_weights(errors).numpy()
        self.assertAllClose(targets.general_weights(errors[order]), weights[order], atol=1e-6)

    def test_no_examples_give_equal_weights(self):
        self.assertAllClose(targets.general_weights(np.zeros([2, 0])), [0.5, 0.5])


class AverageTest(tf.test.TestCase, parameterized.TestCase):
    def test_general_averages_softened_probabilities(self):
        logits = np.log([[[0.64, 0.36]], [[0.25, 0.75]]])
        found = targets.general(logits, [0.25, 0.75], 2.0)
        half = np.array([0.8, 0.6]) / 1.4
        other = np.sqrt([0.25, 0.75]) / np.sqrt([0.25, 0.75]).sum()
        self.assertAllClose(found, [0.25 * half + 0.75 * other], atol=1e-6)

    @parameterized.parameters(1, 2, 3, 4, 5)
    def test_general_equals_numpy(self, students):
        logits, _ = random_logits(students)
        weights = np.random.default_rng(1).dirichlet(np.ones(students))
        expected = np.einsum("m,mbc->bc", weights, softmax(logits / 3.0))
        self.assertAllClose(targets.general(logits, weights, 3.0), expected, atol=1e-6)

    def test_general_on_huge_logits(self):
        logits = np.array([[[1e5, -1e5]], [[-1e5, 1e5]]])
        self.assertAllClose(targets.general(logits, [0.25, 0.75], 2.0), [[0.25, 0.75]])


class GraphTest(tf.test.TestCase, parameterized.TestCase):
    def test_general_weights_and_target_in_the_graph_and_xla(self):
        errors = tf.constant(0.3 + np.random.default_rng(0).normal(size=[3, 40, 2]), tf.float32)
        logits = tf.constant(random_logits()[0], tf.float32)

        def target(errors, logits):
            return targets.general(logits, targets.general_weights(errors), 2.0)

        for compiled in (False, True):
            graph = tf.function(target, jit_compile=compiled)
            self.assertAllClose(graph(errors, logits), target(errors, logits), atol=1e-5)

    def test_general_weights_of_an_unknown_number_of_images(self):
        errors = np.random.default_rng(0).normal(size=[3, 40])
        graph = tf.function(targets.general_weights, input_signature=[tf.TensorSpec([3, None])])
        self.assertAllClose(
            graph(tf.cast(errors, tf.float32)), targets.general_weights(errors), atol=1e-5
        )


if __name__ == "__main__":
    tf.test.main()
