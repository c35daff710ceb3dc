"""Tests of kdcl_tf.objectives.simplex: the optimality of both minimisers, in float64 NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.objectives import simplex

_EXAMPLES = 12


def _normal(rng, students, classes):
    return rng.normal(size=[_EXAMPLES, students, classes])


def _identical(rng, students, classes):
    return np.repeat(rng.normal(size=[_EXAMPLES, 1, classes]), students, axis=1)


def _near_identical(rng, students, classes):
    return _identical(rng, students, classes) + 1e-3 * _normal(rng, students, classes)


def _one_dominates(rng, students, classes):
    vectors = _normal(rng, students, classes)
    vectors[:, -1] -= 4.0
    return vectors


def _heavy_tailed(rng, students, classes):
    return rng.standard_t(3.0, size=[_EXAMPLES, students, classes])


def _right_and_wrong(rng, students, classes):
    """Odd students are sure of the target (class 0 after the shift), even ones of another."""
    vectors = 0.1 * _normal(rng, students, classes)
    vectors[:, ::2, 0] += 5.0
    vectors[:, 1::2, 1] += 5.0
    return vectors


_KINDS = (_normal, _identical, _near_identical, _one_dominates, _heavy_tailed, _right_and_wrong)


def _duality_gap(vectors, weights):
    """`<w, grad> - min(grad)` of logsumexp(w' V), an upper bound of w's distance in value."""
    mixed = np.einsum("bm,bmc->bc", weights, vectors)
    probabilities = np.exp(mixed - mixed.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    gradient = np.einsum("bmc,bc->bm", vectors, probabilities)
    return (weights * gradient).sum(-1) - gradient.min(-1)


def _brute_force(matrix):
    """The least w'Cw on the simplex, over every support."""
    students, best = len(matrix), (np.inf, None)
    scale = np.sqrt(np.diag(matrix))
    for size in range(1, students + 1):
        for support in map(list, itertools.combinations(range(students), size)):
            part = np.ix_(support, support)
            # Scaled, since `lstsq` takes what is tiny beside the rest for zero.
            unit = (matrix / np.outer(scale, scale))[part], 1.0 / scale[support]
            solution = np.linalg.lstsq(*unit, rcond=None)[0] / scale[support]
            weights = np.zeros(students)
            weights[support] = solution / solution.sum()
            if weights.min() >= 0:
                best = min(best, (weights @ matrix @ weights, tuple(weights)))
    return best[0], np.array(best[1])


class MinimiseLogsumexpTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(students=(2, 3, 4, 5), classes=(2, 10, 100, 1000))
    def test_the_duality_gap_is_closed(self, students, classes):
        rng = np.random.default_rng([students, classes])
        kinds = np.concatenate([make(rng, students, classes) for make in _KINDS])
        vectors = np.concatenate([scale * kinds for scale in (1.0, 3.0, 10.0)])
        vectors = (vectors - vectors[..., :1]).astype(np.float32)
        weights = simplex.minimise_logsumexp(tf.constant(vectors)).numpy().astype(np.float64)
        self.assertAllClose(weights.sum(-1), np.ones(len(weights)), atol=1e-6)
        self.assertGreaterEqual(weights.min(), 0.0)
        spread = vectors.max((1, 2)) - vectors.min((1, 2))
        # Above a range of 100, a rounding of float32 weights moves the gradient by more.
        allowed = np.maximum(1e-3, 1e-7 * spread**2)
        gap = _duality_gap(vectors.astype(np.float64), weights)
        self.assertLess((gap / allowed).max(), 1.0)

    @parameterized.product(scale=(30.0, 1e3, 1e5), students=(2, 3, 8))
    def test_huge_logits_are_finite_and_stay_on_the_simplex(self, scale, students):
        vectors = _heavy_tailed(np.random.default_rng(students), students, 100) * scale
        weights = simplex.minimise_logsumexp(tf.constant(vectors, tf.float32))
        self.assertAllClose(tf.reduce_sum(weights, -1), np.ones(_EXAMPLES), atol=1e-5)
        self.assertGreaterEqual(weights.numpy().min(), 0.0)

    @parameterized.parameters(np.nan, np.inf, -np.inf)
    def test_broken_logits_of_one_example_leave_the_others_alone(self, value):
        vectors = _normal(np.random.default_rng(0), 3, 5).astype(np.float32)
        expected = simplex.minimise_logsumexp(tf.constant(vectors))
        vectors[4] = value
        found = simplex.minimise_logsumexp(tf.constant(vectors))
        self.assertAllClose(np.delete(found, 4, 0), np.delete(expected, 4, 0), atol=1e-4)

    def test_a_known_minimum_between_two_opposites(self):
        vectors = tf.constant([[[0.0, 2.0, -2.0], [0.0, -2.0, 2.0]]])
        self.assertAllClose(simplex.minimise_logsumexp(vectors), [[0.5, 0.5]], atol=1e-4)

    def test_a_known_minimum_at_a_corner(self):
        vectors = tf.constant([[[0.0, 5.0, 5.0], [0.0, -5.0, -5.0]]])
        self.assertAllClose(simplex.minimise_logsumexp(vectors), [[0.0, 1.0]], atol=1e-2)

    def test_two_students_agree_with_a_fine_grid(self):
        rng = np.random.default_rng(5)
        vectors = 3.0 * _normal(rng, 2, 6)
        first = np.linspace(0.0, 1.0, 20001)[:, np.newaxis, np.newaxis]
        mixed = first * vectors[:, 0] + (1.0 - first) * vectors[:, 1]
        best = np.log(np.exp(mixed).sum(-1)).min(0)
        weights = simplex.minimise_logsumexp(tf.constant(vectors, tf.float32)).numpy()
        value = np.log(np.exp(np.einsum("bm,bmc->bc", weights, vectors)).sum(-1))
        self.assertAllClose(value, best, atol=5e-4)

    @parameterized.parameters(1, 2, 7)
    def test_an_empty_batch_has_no_weights(self, students):
        self.assertEqual(
            simplex.minimise_logsumexp(tf.zeros([0, students, 3])).shape, (0, students)
        )

    @pytest.mark.slow
    def test_the_graph_agrees_with_eager(self):
        vectors = tf.constant(3.0 * _normal(np.random.default_rng(1), 4, 10), tf.float32)
        graph = tf.function(simplex.minimise_logsumexp)
        self.assertAllClose(graph(vectors), simplex.minimise_logsumexp(vectors), atol=1e-3)


class MinimiseQuadraticTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        # Inside: w is proportional to 1 / C_ii.  Outside: Eq. 11 would give [1.5, -0.5].
        inside = tf.constant([[1.0, 0.0], [0.0, 3.0]], tf.float64)
        outside = tf.constant([[1.0, 2.0], [2.0, 5.0]], tf.float64)
        self.assertAllClose(simplex.minimise_quadratic(inside), [0.75, 0.25])
        self.assertAllClose(simplex.minimise_quadratic(outside), [1.0, 0.0])
        self.assertAllClose(simplex.unconstrained_quadratic(outside), [1.5, -0.5])

    @parameterized.product(students=(1, 2, 3, 4, 5, 8), rank=(1, 2, 4, 50), offset=(0.0, 2.0))
    def test_as_small_as_the_best_of_all_supports(self, students, rank, offset):
        rng = np.random.default_rng([students, rank])
        for _ in range(5):
            errors = offset + rng.normal(size=[students, rank]) * rng.uniform(
                0.3, 3.0, [students, 1]
            )
            matrix = errors @ errors.T / rank
            weights = simplex.minimise_quadratic(tf.constant(matrix)).numpy()
            self.assertAllClose(weights.sum(), 1.0)
            self.assertGreaterEqual(weights.min(), 0.0)
            best, mean = _brute_force(matrix)[0], matrix.trace() / students
            # Singular matrices reach 0, where only the scale of C bounds the difference.
            self.assertLessEqual(weights @ matrix @ weights, best * (1 + 1e-4) + 1e-8 * mean)

    @parameterized.parameters(2, 3, 5)
    def test_the_weights_are_those_of_brute_force(self, students):
        rng = np.random.default_rng(students)
        for _ in range(10):
            errors = 0.5 + rng.normal(size=[students, 40])
            matrix = errors @ errors.T / 40
            found = simplex.minimise_quadratic(tf.constant(matrix))
            self.assertAllClose(found, _brute_force(matrix)[1], atol=1e-6)

    @parameterized.product(error=(1e-2, 1e-4, 1e-5, 1e-6, 1e-10), bad=(0, 1, 2))
    def test_two_nearly_perfect_students_beside_a_bad_one(self, error, bad):
        # Uncorrelated: the nearly perfect ones get 4/5 and 1/5, as their errors are 1 to 2.
        errors = np.insert([error, 2 * error], bad, 1.0)
        matrix = np.diag(errors**2)
        inverse = errors**-2.0
        for solve in (simplex.minimise_quadratic, simplex.unconstrained_quadratic):
            found = solve(tf.constant(matrix))
            self.assertAllClose(found, inverse / inverse.sum(), rtol=1e-6, atol=0)
        # Correlated, where the bad one gets nothing.
        unit = 0.5 + np.random.default_rng(0).normal(size=[3, 50])
        matrix = np.cov(unit) * np.outer(errors, errors)
        weights = simplex.minimise_quadratic(tf.constant(matrix)).numpy()
        value, best = _brute_force(matrix)
        self.assertAllClose(weights @ matrix @ weights, value, rtol=1e-4, atol=0)
        self.assertAllClose(weights, best, rtol=1e-4, atol=1e-9)

    @parameterized.parameters(1, 2, 5, 8)
    def test_identical_and_perfect_students_get_equal_weights(self, students):
        for value in (0.0, 1e-12, 0.3, 1e6):
            matrix = tf.fill([students, students], tf.constant(value, tf.float64))
            for solve in (simplex.minimise_quadratic, simplex.unconstrained_quadratic):
                self.assertAllClose(solve(matrix), np.full(students, 1 / students), atol=1e-5)

    def test_the_perfect_student_gets_everything(self):
        matrix = tf.linalg.diag(tf.constant([0.3, 0.0, 0.5], tf.float64))
        for solve in (simplex.minimise_quadratic, simplex.unconstrained_quadratic):
            self.assertAllClose(solve(matrix), [0.0, 1.0, 0.0], atol=1e-6)

    @parameterized.parameters(simplex.minimise_quadratic, simplex.unconstrained_quadratic)
    def test_the_scale_of_the_matrix_changes_nothing(self, solve):
        errors = np.random.default_rng(0).normal(size=[3, 20])
        matrix = tf.constant(errors @ errors.T)
        self.assertAllClose(solve(1e-9 * matrix), solve(matrix), atol=1e-8)

    def test_many_students(self):
        errors = 1.0 + np.random.default_rng(0).normal(size=[40, 60])
        matrix = errors @ errors.T / 60
        weights = simplex.minimise_quadratic(tf.constant(matrix)).numpy()
        gradient = matrix @ weights
        # Karush-Kuhn-Tucker: nobody's gradient is below the optimum's value.
        self.assertGreaterEqual(gradient.min(), (weights @ gradient) * (1 - 1e-6))

    def test_the_graph_and_xla_agree_with_eager(self):
        errors = 0.5 + np.random.default_rng(3).normal(size=[4, 20])
        matrix = tf.constant(errors @ errors.T)
        eager = simplex.minimise_quadratic(matrix)
        for compiled in (False, True):
            graph = tf.function(simplex.minimise_quadratic, jit_compile=compiled)
            self.assertAllClose(graph(matrix), eager, atol=1e-6)


class AddRidgeTest(tf.test.TestCase):
    def test_it_adds_a_part_of_the_mean_diagonal(self):
        matrix = tf.constant([[1.0, 0.5], [0.5, 3.0]], tf.float64)
        self.assertAllClose(simplex.add_ridge(matrix, 0.1), [[1.2, 0.5], [0.5, 3.2]])

    def test_a_large_ridge_makes_the_weights_equal(self):
        matrix = tf.constant([[1.0, 0.5], [0.5, 3.0]], tf.float64)
        weights = simplex.minimise_quadratic(simplex.add_ridge(matrix, 1e6))
        self.assertAllClose(weights, [0.5, 0.5], atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
