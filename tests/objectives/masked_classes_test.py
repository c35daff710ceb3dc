"""Tests of masked classes, logits of -inf, against float64 NumPy without these classes."""

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from numpy_targets import BY_EXAMPLE, cross_entropy, log_sum_exp, random_logits, softmax

from kdcl_tf.objectives import losses, simplex, targets

_KEPT = 4
_INF = np.inf


def _masked(soft=False, students=3):
    """Logits of six classes, of which every student masks the last two, and labels without them."""
    logits, labels = random_logits(students, soft=soft)
    labels = labels.copy()
    if soft:
        labels[:, _KEPT:] = 0.0
        labels /= labels.sum(-1, keepdims=True)
    else:
        labels %= _KEPT
    masked = logits.copy()
    masked[..., _KEPT:] = -_INF
    return masked, logits[..., :_KEPT], labels, labels[:, :_KEPT] if soft else labels


def _in_every_way(function, *args):
    """What a function of tensors gives eagerly, in a graph, and under XLA.

    Linear takes long to compile, and does so in one test alone.
    """
    args = [tf.constant(each, tf.float32) if np.ndim(each) == 3 else each for each in args]
    for compiled in (None, False, True) if function is not targets.linear else (None,):
        run = function if compiled is None else tf.function(function, jit_compile=compiled)
        yield run(*args)


class SameMaskTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=sorted(BY_EXAMPLE), soft=(False, True), students=(1, 2, 3, 4))
    def test_a_target_is_that_of_the_other_classes(self, name, soft, students):
        masked, kept, labels, kept_labels = _masked(soft, students)
        found = BY_EXAMPLE[name](masked, labels, 2.0).numpy()
        expected = BY_EXAMPLE[name](kept, kept_labels, 2.0)
        self.assertAllClose(found[:, :_KEPT], expected, atol=1e-5)
        self.assertAllEqual(found[:, _KEPT:], np.zeros([16, 2]))

    @parameterized.parameters(*BY_EXAMPLE)
    @pytest.mark.slow
    def test_in_the_graph_and_under_xla(self, name):
        masked, kept, labels, _ = _masked()
        expected = BY_EXAMPLE[name](kept, labels)
        masked = tf.constant(masked, tf.float32)
        for compiled in (False, True):
            found = tf.function(BY_EXAMPLE[name], jit_compile=compiled)(masked, labels)
            self.assertAllClose(found[:, :_KEPT], expected, atol=2e-4)
            self.assertAllEqual(found[:, _KEPT:], np.zeros([16, 2]))

    def test_general_is_that_of_the_other_classes(self):
        masked, kept, _, _ = _masked()
        weights = np.array([0.2, 0.5, 0.3])
        expected = np.einsum("m,mbc->bc", weights, softmax(kept / 2.0))
        found = targets.general(masked, weights, 2.0).numpy()
        self.assertAllClose(found[:, :_KEPT], expected, atol=1e-6)
        self.assertAllEqual(found[:, _KEPT:], np.zeros([16, 2]))

    @parameterized.parameters(2, 3, 8)
    def test_the_weights_have_the_gap_of_the_other_classes(self, students):
        masked, kept, labels, _ = _masked(students=students)
        weights = targets.linear_weights(30.0 * masked, labels).numpy().astype(np.float64)
        kept = (30.0 * kept).astype(np.float32).astype(np.float64)
        residual = softmax(np.einsum("bm,mbc->bc", weights, kept)) - np.eye(_KEPT)[labels]
        gradient = np.einsum("mbc,bc->bm", kept, residual)
        gap = (weights * gradient).sum(-1) - gradient.min(-1)
        span = (kept.max((0, 2)) - kept.min((0, 2))) + np.abs(kept).max((0, 2))
        self.assertAllLessEqual(gap / np.maximum(1e-3, 1e-7 * span**2), 1.0)


class OtherMasksTest(tf.test.TestCase, parameterized.TestCase):
    """One student masks class 4, another class 5; labels are below 4."""

    def setUp(self):
        super().setUp()
        self.logits, labels = random_logits()
        self.labels = labels % _KEPT
        self.masked = self.logits.copy()
        self.masked[0, :, 4], self.masked[2, :, 5] = -_INF, -_INF

    @parameterized.parameters("linear", "min_logit")
    def test_what_any_student_masks_has_no_probability(self, name):
        expected = BY_EXAMPLE[name](self.logits[..., :_KEPT], self.labels, 2.0)
        for found in _in_every_way(BY_EXAMPLE[name], self.masked, self.labels, 2.0):
            self.assertAllClose(found[:, :_KEPT], expected, atol=2e-4)
            self.assertAllEqual(found[:, _KEPT:], np.zeros([16, 2]))

    def test_linear_is_the_limit_of_ever_lower_logits(self):
        low = np.where(np.isinf(self.masked), -300.0, self.masked)
        found = targets.linear(self.masked, self.labels).numpy()
        limit = targets.linear(low, self.labels).numpy()
        inside = targets.linear_weights(low, self.labels).numpy()[:, [0, 2]].min(-1) > 0.05
        self.assertGreater(inside.sum(), 0)
        self.assertAllClose(found[inside], limit[inside], atol=1e-2)

    def test_naive_takes_the_mask_of_its_student(self):
        with np.errstate(divide="ignore"):
            alone = log_sum_exp(self.masked) - self.masked[:, np.arange(16), self.labels]
        best = alone.argmin(0)
        expected = softmax(self.masked[best, np.arange(16)] / 2.0)
        for found in _in_every_way(targets.naive, self.masked, self.labels, 2.0):
            self.assertAllClose(found, expected, atol=1e-6)

    def test_general_averages_what_is_masked_by_some(self):
        weights = np.array([0.2, 0.5, 0.3])
        expected = np.einsum("m,mbc->bc", weights, softmax(self.masked))
        self.assertAllClose(targets.general(self.masked, weights), expected, atol=1e-6)

    def test_the_order_of_cross_entropies_stays(self):
        of_target = {
            name: -np.log(make(self.masked, self.labels).numpy()[np.arange(16), self.labels])
            for name, make in BY_EXAMPLE.items()
        }
        self.assertTrue(np.all(of_target["min_logit"] <= of_target["linear"] + 1e-5))
        self.assertTrue(np.all(of_target["linear"] <= of_target["naive"] + 1e-4))


class MaskedLabelTest(tf.test.TestCase, parameterized.TestCase):
    def _hide_label(self, students):
        logits, labels = random_logits()
        logits[students, np.arange(16)[:, np.newaxis], labels[:, np.newaxis]] = -_INF
        return logits, labels

    @parameterized.product(name=sorted(BY_EXAMPLE), soft=(False, True))
    def test_a_student_that_masks_it_takes_no_part(self, name, soft):
        logits, labels = self._hide_label([1])
        if soft:
            labels = 0.8 * np.eye(6)[labels] + 0.2 * np.eye(6)[(labels + 1) % 6]
        expected = BY_EXAMPLE[name](logits[[0, 2]], labels, 2.0)
        for found in _in_every_way(BY_EXAMPLE[name], logits, labels, 2.0):
            self.assertAllClose(found, expected, atol=5e-3 if name == "linear" else 1e-5)

    def test_its_weight_is_0_even_where_the_best_has_all(self):
        logits, labels = self._hide_label([0, 2])
        self.assertAllEqual(targets.linear_weights(logits, labels), [[0.0, 1.0, 0.0]] * 16)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_where_all_mask_it_the_first_is_taken(self, name):
        logits, labels = self._hide_label([0, 1, 2])
        expected = softmax(logits[0] / 2.0)
        self.assertAllClose(BY_EXAMPLE[name](logits, labels, 2.0), expected, atol=1e-5)


class LossTest(tf.test.TestCase, parameterized.TestCase):
    def _with_gradient(self, loss, logits):
        def differentiate(logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = loss(logits)
            return value, tape.gradient(value, logits)

        logits = tf.constant(logits, tf.float32)
        for compiled in (False, True):
            yield tf.function(differentiate, jit_compile=compiled)(logits)

    @parameterized.parameters(False, True)
    def test_cross_entropy_is_that_of_the_other_classes(self, soft):
        masked, kept, labels, kept_labels = _masked(soft, students=1)
        dense = kept_labels if soft else np.eye(_KEPT)[kept_labels]
        expected = cross_entropy(dense, kept[0])
        gradient = np.pad(softmax(kept[0]) * dense.sum(-1, keepdims=True) - dense, [(0, 0), (0, 2)])
        cases = self._with_gradient(lambda z: losses.cross_entropy(labels, z), masked[0])
        for found, slope in cases:
            self.assertAllClose(found, expected, atol=1e-5)
            self.assertAllClose(slope, gradient, atol=1e-6)

    def test_distillation_is_that_of_the_other_classes(self):
        masked, kept, _, _ = _masked()
        soft, own = softmax(kept[1] / 2.0), softmax(kept[0] / 2.0)
        expected = 4.0 * (soft * np.log(soft / own)).sum(-1)
        gradient = np.pad(2.0 * (own - soft), [(0, 0), (0, 2)])
        padded = np.pad(soft, [(0, 0), (0, 2)])
        cases = self._with_gradient(lambda z: losses.distillation(padded, z, 2.0), masked[0])
        for found, slope in cases:
            self.assertAllClose(found, expected, atol=1e-5)
            self.assertAllClose(slope, gradient, atol=1e-5)

    def test_a_target_of_0_that_the_student_does_not_mask(self):
        soft = np.array([[0.5, 0.5, 0.0]])
        logits = np.log([[0.25, 0.25, 0.5]])
        cases = self._with_gradient(lambda z: losses.distillation(soft, z, 1.0), logits)
        for found, slope in cases:
            self.assertAllClose(found, [np.log(2.0)])
            self.assertAllClose(slope, [[-0.25, -0.25, 0.5]])

    @parameterized.parameters("cross_entropy", "distillation")
    def test_a_masked_class_with_a_target_is_infinite_and_its_gradient_is_not(self, name):
        soft = np.array([[0.5, 0.25, 0.25], [0.5, 0.0, 0.5]])
        logits = np.array([[1.0, -_INF, 2.0], [1.0, -_INF, 2.0]])
        loss = {
            "cross_entropy": lambda z: losses.cross_entropy(soft, z),
            "distillation": lambda z: losses.distillation(soft, z, 1.0),
        }[name]
        for found, slope in self._with_gradient(loss, logits):
            self.assertEqual(found[0], _INF)
            self.assertTrue(np.isfinite(found[1]))
            self.assertAllClose(slope, softmax(logits) - soft, atol=1e-6)

    def test_an_integer_label_on_a_masked_class_is_infinite(self):
        logits = np.array([[0.0, -_INF], [0.0, -_INF]])
        self.assertAllEqual(losses.cross_entropy([1, 0], logits), [_INF, 0.0])

    @parameterized.parameters(np.nan, _INF)
    def test_what_is_no_mask_stays_an_error(self, value):
        logits = np.array([[1.0, value, 2.0]])
        self.assertAllEqual(np.isnan(losses.cross_entropy([0], logits)), [True])
        self.assertAllEqual(np.isnan(losses.cross_entropy([[1.0, 0.0, 0.0]], logits)), [True])
        self.assertAllEqual(np.isnan(losses.distillation([[1.0, 0.0, 0.0]], logits, 1.0)), [True])


class SolverTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(2, 3, 5)
    def test_a_class_that_is_left_out_changes_no_weight(self, students):
        rng = np.random.default_rng(students)
        vectors = 3.0 * rng.normal(size=[12, students, 5]).astype(np.float32)
        vectors[..., 0] = 0.0
        more = np.concatenate([vectors, np.full([12, students, 2], simplex.MASKED)], -1)
        expected = simplex.minimise_logsumexp(tf.constant(vectors))
        found = simplex.minimise_logsumexp(tf.constant(more, tf.float32))
        self.assertAllClose(found, expected, atol=1e-4)


if __name__ == "__main__":
    tf.test.main()
