"""Tests of kdcl_tf.targets against float64 NumPy."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.objectives import targets

_BY_EXAMPLE = {"naive": targets.naive, "linear": targets.linear, "min_logit": targets.min_logit}


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def _log_sum_exp(logits):
    top = logits.max(-1)
    return top + np.log(np.exp(logits - top[..., np.newaxis]).sum(-1))


def _cross_entropy(dense, logits):
    return (dense * (_log_sum_exp(logits)[..., np.newaxis] - logits)).sum(-1)


def _numpy_naive(logits, dense, temperature):
    best = _cross_entropy(dense, logits).argmin(0)
    chosen = logits[best, np.arange(logits.shape[1])]
    return _softmax(chosen / temperature)


def _numpy_min_logit(logits, dense, temperature):
    shifted = logits - (dense * logits).sum(-1, keepdims=True)
    return _softmax(shifted.min(0) / temperature)


def _numpy_linear(logits, dense, temperature):
    """With the library's weights, whose optimality other tests show."""
    weights = targets.linear_weights(logits, dense).numpy().astype(np.float64)
    return _softmax(np.einsum("bm,mbc->bc", weights, logits) / temperature)


_NUMPY = {"naive": _numpy_naive, "linear": _numpy_linear, "min_logit": _numpy_min_logit}


def _data(students=3, examples=16, classes=6, scale=3.0, soft=False, seed=0):
    rng = np.random.default_rng([seed, students, classes])
    logits = scale * rng.normal(size=[students, examples, classes])
    if soft:
        return logits, rng.dirichlet(np.ones(classes), size=examples)
    return logits, rng.integers(classes, size=examples)


def _dense(labels, classes):
    return labels if labels.ndim == 2 else np.eye(classes)[labels]


class KnownNumbersTest(tf.test.TestCase, parameterized.TestCase):
    # Cross-entropies of class 0: 1.5514 and 0.4076 for the first, 0.6931 twice for the second.
    logits = np.array([[[0.0, 1.0, -0.5], [1.0, 1.0, -50.0]], [[2.0, 1.0, 0.0], [3.0, 3.0, -90.0]]])
    labels = np.array([0, 0])

    def test_naive_takes_the_least_cross_entropy_and_the_first_of_equals(self):
        expected = _softmax(np.array([[2.0, 1.0, 0.0], [1.0, 1.0, -50.0]]) / 2.0)
        self.assertAllClose(targets.naive(self.logits, self.labels, 2.0), expected, atol=1e-6)

    def test_min_logit_takes_the_least_of_each_shifted_logit(self):
        expected = _softmax(np.array([[0.0, -1.0, -2.0], [0.0, 0.0, -93.0]]) / 2.0)
        self.assertAllClose(targets.min_logit(self.logits, self.labels, 2.0), expected, atol=1e-6)

    def test_linear_takes_the_middle_of_two_opposites(self):
        logits = np.array([[[0.0, 2.0, -2.0]], [[0.0, -2.0, 2.0]]])
        self.assertAllClose(targets.linear_weights(logits, [0]), [[0.5, 0.5]], atol=1e-4)
        self.assertAllClose(targets.linear(logits, [0]), np.full([1, 3], 1 / 3), atol=1e-3)

    def test_general_averages_softened_probabilities(self):
        logits = np.log([[[0.64, 0.36]], [[0.25, 0.75]]])
        found = targets.general(logits, [0.25, 0.75], 2.0)
        half = np.array([0.8, 0.6]) / 1.4
        other = np.sqrt([0.25, 0.75]) / np.sqrt([0.25, 0.75]).sum()
        self.assertAllClose(found, [0.25 * half + 0.75 * other], atol=1e-6)

    def test_min_logit_shifts_by_the_mean_logit_under_soft_labels(self):
        logits = np.array([[[2.0, 0.0]], [[0.0, -4.0]]])
        # <y, z> is 1.5 and -1, so the shifted logits are [0.5, -1.5] and [1, -3].
        found = targets.min_logit(logits, np.array([[0.75, 0.25]]))
        self.assertAllClose(found, _softmax(np.array([[0.5, -3.0]])), atol=1e-6)

    def test_error_matrix(self):
        errors = np.array([[1.0, -1.0], [0.5, 0.0]])
        self.assertAllClose(targets.error_matrix(errors), [[1.0, 0.25], [0.25, 0.125]])
        vectors = np.array([[[1.0, -1.0]], [[0.5, 2.0]]])
        self.assertAllClose(targets.error_matrix(vectors), [[2.0, -1.5], [-1.5, 4.25]])

    def test_general_weights_are_inverse_variances_of_unrelated_errors(self):
        errors = np.array([[1.0, 1.0, -1.0, -1.0], [2.0, -2.0, 2.0, -2.0]])
        self.assertAllClose(targets.general_weights(errors), [0.8, 0.2], atol=1e-6)


class EquationTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(
        name=sorted(_BY_EXAMPLE),
        students=(1, 2, 3, 4, 5),
        soft=(False, True),
        temperature=(1.0, 4.0),
    )
    def test_it_equals_numpy(self, name, students, soft, temperature):
        logits, labels = _data(students, soft=soft)
        found = _BY_EXAMPLE[name](logits, labels, temperature)
        expected = _NUMPY[name](logits, _dense(labels, 6), temperature)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllClose(found, expected, atol=2e-5)

    @parameterized.parameters(1, 2, 3, 4, 5)
    def test_general_equals_numpy(self, students):
        logits, _ = _data(students)
        weights = np.random.default_rng(1).dirichlet(np.ones(students))
        expected = np.einsum("m,mbc->bc", weights, _softmax(logits / 3.0))
        self.assertAllClose(targets.general(logits, weights, 3.0), expected, atol=1e-6)

    @parameterized.product(
        name=sorted(_BY_EXAMPLE), dtype=("float16", "bfloat16", "float32", "float64")
    )
    def test_any_float_type_gives_float32_of_the_rounded_logits(self, name, dtype):
        logits, labels = _data()
        rounded = tf.cast(logits, dtype)
        exact = tf.cast(rounded, tf.float64).numpy()
        for found, expected in (
            (_BY_EXAMPLE[name](rounded, labels), _NUMPY[name](exact, _dense(labels, 6), 1.0)),
            (targets.general(rounded, [0.2, 0.3, 0.5]), None),
        ):
            self.assertEqual(found.dtype, tf.float32)
            if expected is not None:
                self.assertAllClose(found, expected, atol=2e-5)

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_every_form_of_one_label_gives_one_target(self, name):
        logits, labels = _data()
        expected = _BY_EXAMPLE[name](logits, labels.astype("int32"))
        one_hot = np.eye(6)[labels]
        forms = (labels, labels[:, np.newaxis], labels.astype("uint8"), one_hot, one_hot == 1.0)
        for form in (*forms, one_hot.astype("int64"), labels.astype("float32")):
            self.assertAllClose(_BY_EXAMPLE[name](logits, form), expected, atol=2e-4)

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_the_policy_of_keras_changes_nothing(self, name):
        logits, labels = _data()
        expected = _BY_EXAMPLE[name](logits, labels)
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        found = _BY_EXAMPLE[name](logits, labels)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllEqual(found, expected)


class IdentityTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(students=(2, 3, 5), scale=(1.0, 3.0, 10.0))
    def test_the_order_of_cross_entropies_holds_for_every_example(self, students, scale):
        logits, labels = _data(students, examples=200, classes=10, scale=scale)
        dense = np.eye(10)[labels]
        # At T = 1 the log of a target is its logits, up to a constant.
        linear, naive, least = (
            -np.log(_BY_EXAMPLE[name](logits, labels).numpy().astype(np.float64))[dense == 1]
            for name in ("linear", "naive", "min_logit")
        )
        alone = _cross_entropy(dense, logits)
        self.assertTrue(np.all(least <= linear + 1e-5))
        self.assertTrue(np.all(linear <= naive + 5e-5))
        self.assertTrue(np.all(naive <= alone.min(0) + 1e-5))

    @parameterized.product(name=sorted(_BY_EXAMPLE), soft=(False, True))
    def test_a_constant_added_to_a_students_logits_changes_nothing(self, name, soft):
        logits, labels = _data(soft=soft)
        shift = np.random.default_rng(2).normal(size=[3, 16, 1])
        moved = _BY_EXAMPLE[name](logits + shift, labels, 2.0)
        # The gap of `linear` is flat: its target is known to the root of its tolerance.
        tolerance = 5e-3 if name == "linear" else 1e-5
        self.assertAllClose(moved, _BY_EXAMPLE[name](logits, labels, 2.0), atol=tolerance)

    @parameterized.product(name=sorted(_BY_EXAMPLE), order=list(itertools.permutations(range(3))))
    def test_the_order_of_students_changes_no_target(self, name, order):
        logits, labels = _data()
        moved = _BY_EXAMPLE[name](logits[list(order)], labels)
        self.assertAllClose(moved, _BY_EXAMPLE[name](logits, labels), atol=2e-4)

    @parameterized.parameters(*itertools.permutations(range(3)))
    def test_the_order_of_students_orders_the_weights(self, *order):
        order = list(order)
        logits, labels = _data()
        weights = targets.linear_weights(logits, labels).numpy()
        moved = targets.linear_weights(logits[order], labels)
        self.assertAllClose(moved, weights[:, order], atol=2e-3)
        errors = np.random.default_rng(0).normal(size=[3, 40]) + 0.3
        weights = targets.general_weights(errors).numpy()
        self.assertAllClose(targets.general_weights(errors[order]), weights[order], atol=1e-6)

    @parameterized.product(name=sorted(_BY_EXAMPLE), soft=(False, True))
    def test_a_single_students_target_is_its_own_softmax(self, name, soft):
        logits, labels = _data(1, soft=soft)
        expected = _softmax(logits[0] / 2.0)
        self.assertAllClose(_BY_EXAMPLE[name](logits, labels, 2.0), expected, atol=1e-6)
        self.assertAllClose(targets.general(logits, [1.0], 2.0), expected, atol=1e-6)
        self.assertAllEqual(targets.linear_weights(logits, labels), np.ones([16, 1]))

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_identical_students_give_their_softmax(self, name):
        logits, labels = _data(1)
        expected = _softmax(logits[0] / 2.0)
        found = _BY_EXAMPLE[name](np.repeat(logits, 4, axis=0), labels, 2.0)
        self.assertAllClose(found, expected, atol=1e-5)

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_an_example_does_not_depend_on_the_others(self, name):
        logits, labels = _data()
        part = _BY_EXAMPLE[name](logits[:, 5:9], labels[5:9])
        self.assertAllClose(part, _BY_EXAMPLE[name](logits, labels)[5:9], atol=1e-5)
        self.assertEqual(_BY_EXAMPLE[name](logits[:, :0], labels[:0]).shape, (0, 6))

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_targets_are_probabilities(self, name):
        logits, labels = _data(scale=10.0)
        found = _BY_EXAMPLE[name](logits, labels).numpy()
        self.assertAllClose(found.sum(-1), np.ones(16))
        self.assertGreaterEqual(found.min(), 0.0)


class LinearWeightsTest(tf.test.TestCase, parameterized.TestCase):
    def _gap(self, logits, dense):
        """The duality gap of Eq. 5 in float64."""
        logits = np.asarray(logits, np.float32).astype(np.float64)
        weights = targets.linear_weights(logits, dense).numpy().astype(np.float64)
        residual = _softmax(np.einsum("bm,mbc->bc", weights, logits)) - dense
        gradient = np.einsum("mbc,bc->bm", logits, residual)
        return ((weights * gradient).sum(-1) - gradient.min(-1)).max()

    @parameterized.product(students=(2, 3, 4, 5), classes=(2, 10, 100, 1000), soft=(False, True))
    def test_random_logits_of_scale_1_to_10(self, students, classes, soft):
        logits, labels = _data(students, examples=12, classes=classes, scale=1.0, soft=soft)
        logits = np.concatenate([scale * logits for scale in (1.0, 3.0, 10.0)], axis=1)
        dense = np.tile(_dense(labels, classes), [3, 1])
        self.assertLess(self._gap(logits, dense), 1e-3)

    @parameterized.product(students=(2, 3, 5), scale=(1.0, 3.0, 10.0))
    def test_students_that_hardly_differ(self, students, scale):
        logits, labels = _data(1, scale=scale)
        logits = np.repeat(logits, students, axis=0)
        noise = 1e-3 * np.random.default_rng(1).normal(size=logits.shape)
        for each in (logits, logits + noise):
            self.assertLess(self._gap(each, np.eye(6)[labels]), 1e-3)

    @parameterized.product(scale=(1.0, 3.0, 10.0), order=(1, -1))
    def test_one_sure_and_right_beside_one_sure_and_wrong(self, scale, order):
        labels = np.arange(10)
        right, wrong = scale * np.eye(10), scale * np.eye(10)[::-1]
        logits = np.stack([right, wrong, 0.1 * right][::order])
        weights = targets.linear_weights(logits, labels).numpy()[:, ::order]
        self.assertLess(self._gap(logits, np.eye(10)), 1e-3)
        self.assertAllClose(weights[:, 0], np.ones(10), atol=1e-2)


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

    def test_no_examples_give_equal_weights(self):
        self.assertAllClose(targets.general_weights(np.zeros([2, 0])), [0.5, 0.5])


class ExtremeTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=sorted(_BY_EXAMPLE), students=(1, 2, 3))
    def test_logits_of_a_hundred_thousand_are_finite_and_right(self, name, students):
        rng = np.random.default_rng(0)
        logits = 1e5 * rng.choice([-1.0, 1.0], size=[students, 32, 5])
        logits[0, np.arange(32), rng.integers(5, size=32)] *= -1.0
        labels = rng.integers(5, size=32)
        found = _BY_EXAMPLE[name](logits, labels, 2.0).numpy()
        self.assertTrue(np.isfinite(found).all())
        self.assertAllClose(found.sum(-1), np.ones(32), atol=1e-5)
        dense = np.eye(5)[labels]
        best = _cross_entropy(dense, logits).min(0)
        solved = best < 1e-3
        self.assertAllGreater(found[solved, labels[solved]], 0.99)
        if name != "linear":
            expected = _NUMPY[name](logits, dense, 2.0)
            self.assertAllClose(found, expected, atol=1e-5)

    def test_linear_is_no_worse_than_naive_on_huge_logits(self):
        logits, labels = _data(3, examples=100, scale=1e5)
        weights = targets.linear_weights(logits, labels).numpy().astype(np.float64)
        dense = np.eye(6)[labels]
        found = _cross_entropy(dense, np.einsum("bm,mbc->bc", weights, logits))
        naive = _cross_entropy(dense, logits).min(0)
        self.assertTrue(np.all(found <= naive + 1e-6 * np.abs(logits).max()))

    def test_general_on_huge_logits(self):
        logits = np.array([[[1e5, -1e5]], [[-1e5, 1e5]]])
        self.assertAllClose(targets.general(logits, [0.25, 0.75], 2.0), [[0.25, 0.75]])

    def test_an_infinite_logit_of_another_class_does_not_meet_a_zero(self):
        logits = tf.constant([[[1.0, -np.inf, 2.0]]], tf.float32)
        expected = _softmax(np.array([[1.0, -1e9, 2.0]]))
        for name in ("naive", "min_logit"):
            self.assertAllClose(_BY_EXAMPLE[name](logits, [0]), expected, atol=1e-6)


class GraphTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=sorted(_BY_EXAMPLE), compiled=(False, True))
    def test_the_graph_and_xla_agree_with_eager(self, name, compiled):
        logits, labels = _data()
        logits, labels = tf.constant(logits, tf.float32), tf.constant(labels)
        graph = tf.function(_BY_EXAMPLE[name], jit_compile=compiled)
        expected = _BY_EXAMPLE[name](logits, labels, 2.0)
        self.assertAllClose(graph(logits, labels, 2.0), expected, atol=2e-4)

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_the_batch_may_be_unknown(self, name):
        logits, labels = _data()
        signature = [tf.TensorSpec([3, None, 6]), tf.TensorSpec([None], tf.int64)]
        graph = tf.function(_BY_EXAMPLE[name], input_signature=signature)
        expected = _BY_EXAMPLE[name](logits, labels)
        self.assertAllClose(graph(tf.cast(logits, tf.float32), labels), expected, atol=2e-4)

    def test_general_weights_and_target_in_the_graph_and_xla(self):
        errors = tf.constant(0.3 + np.random.default_rng(0).normal(size=[3, 40, 2]), tf.float32)
        logits = tf.constant(_data()[0], tf.float32)

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

    @parameterized.parameters(*_BY_EXAMPLE)
    def test_no_gradient_passes_through_a_target(self, name):
        logits, labels = _data()
        logits = tf.Variable(logits, dtype=tf.float32)
        with tf.GradientTape(persistent=True) as tape:
            soft = _BY_EXAMPLE[name](logits, labels)
            general = targets.general(logits, tf.constant([0.2, 0.3, 0.5]))
        self.assertIsNone(tape.gradient(soft, logits))
        self.assertIsNone(tape.gradient(general, logits))


class FailureTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*_BY_EXAMPLE)
    def test_logits_of_another_rank(self, name):
        with self.assertRaisesRegex(ValueError, r"logits must be \[M, B, C\]; got shape \(4, 3\)"):
            _BY_EXAMPLE[name](np.zeros([4, 3]), np.zeros([4], int))

    @parameterized.parameters(([2, 7],), ([2, 3, 3],), ([],))
    def test_labels_of_another_shape(self, shape):
        message = r"labels must be \[B\] classes or \[B, 3\] probabilities for 3 classes; got shape"
        with self.assertRaisesRegex(ValueError, message):
            targets.naive(np.zeros([2, 2, 3]), np.zeros(shape, int))
        with self.assertRaisesRegex(ValueError, message):
            targets.dense_labels(np.zeros(shape, int), 3)


class LabelsTest(tf.test.TestCase):
    def test_dense_labels(self):
        expected = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
        self.assertAllEqual(targets.dense_labels([1, 2], 3), expected)
        self.assertAllEqual(targets.dense_labels([[1], [2]], 3), expected)
        soft = np.array([[0.1, 0.9, 0.0]])
        self.assertAllClose(targets.dense_labels(soft, 3), soft)

    def test_target_logits_of_one_and_of_many_students(self):
        logits, labels = _data()
        expected = logits[:, np.arange(16), labels]
        logits = tf.constant(logits, tf.float32)
        self.assertAllClose(targets.target_logits(logits, labels), expected)
        self.assertAllClose(targets.target_logits(logits[0], labels), expected[0])
        self.assertAllClose(targets.target_logits(logits, np.eye(6)[labels]), expected)

    def test_linear_falls_back_to_the_best_student_where_mixtures_fail(self):
        # Infinities break every mixture, and no student alone.
        logits = np.array([[[9.0, 0.0, -np.inf]], [[-9.0, 0.0, 0.0]]])
        self.assertAllEqual(targets.linear_weights(logits, [0]), [[1.0, 0.0]])


if __name__ == "__main__":
    tf.test.main()
