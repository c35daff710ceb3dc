"""Tests of kdcl_tf.detection.model.losses."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import losses

_NAN = float("nan")


def _value_and_gradient(function, variable):
    variable = tf.constant(variable, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    return value, tape.gradient(value, variable)


class SmoothL1Test(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        errors = tf.constant([0.0, 0.5, -0.5, 1.0, -3.0])
        self.assertAllClose(losses.smooth_l1(errors, 1.0), [0.0, 0.125, 0.125, 0.5, 2.5])
        errors = tf.constant([1 / 18, 1 / 9, 1.0])
        self.assertAllClose(losses.smooth_l1(errors, 1 / 9), [1 / 72, 1 / 18, 1 - 1 / 18])

    @parameterized.parameters(1.0, 1 / 9)
    def test_its_gradient_is_a_line_that_ends_at_the_sign(self, beta):
        errors = np.array([-1e20, -2.0, -0.01, 0.0, 0.05, 2.0, 1e20])
        value, gradient = _value_and_gradient(
            lambda errors: tf.reduce_sum(losses.smooth_l1(errors, beta)), errors
        )
        self.assertAllClose(gradient, np.clip(errors / beta, -1.0, 1.0))
        self.assertAllClose(value, 2e20, rtol=1e-6)


class ObjectnessTest(tf.test.TestCase):
    def test_known_numbers(self):
        # Probabilities 3/4, 1/4 and 1/2; the last does not count.
        logits = np.log([[3.0, 1 / 3, 1.0]])
        flags = tf.constant([[True, True, False]]), tf.constant([[True, True, False]])
        value, gradient = _value_and_gradient(
            lambda logits: losses.objectness(logits, *flags), logits
        )
        self.assertAllClose(value, np.log(4 / 3) + np.log(4.0))
        self.assertAllClose(gradient, [[-0.25, -0.75, 0.0]])

    def test_a_sure_head_is_right_for_nothing_and_wrong_by_its_logit(self):
        everything = tf.constant([[True, True]])
        logits = tf.constant([[1e4, -1e4]])
        self.assertAllClose(losses.objectness(logits, logits > 0.0, everything), 0.0)
        self.assertAllClose(losses.objectness(logits, logits < 0.0, everything), 2e4)

    def test_nothing_counts(self):
        nothing = tf.zeros([2, 3], tf.bool)
        value, gradient = _value_and_gradient(
            lambda logits: losses.objectness(logits, nothing, nothing), np.ones([2, 3])
        )
        self.assertAllEqual(value, 0.0)
        self.assertAllEqual(gradient, np.zeros([2, 3]))


class BoxCodesTest(tf.test.TestCase):
    def test_known_numbers(self):
        codes = tf.constant([[[0.0, 0.5, 2.0, -1.0], [9.0, 9.0, 9.0, 9.0]]])
        expected = tf.constant([[[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]])
        counted = tf.constant([[True, False]])
        self.assertAllClose(losses.box_codes(codes, expected, counted, 1.0), 0.125 + 1.5 + 1.5)

    def test_the_targets_of_what_does_not_count_may_be_anything(self):
        codes = np.ones([3, 4])
        expected = tf.constant([[0.0] * 4, [_NAN] * 4, [float("inf")] * 4])
        counted = tf.constant([True, False, False])
        value, gradient = _value_and_gradient(
            lambda codes: losses.box_codes(codes, expected, counted, 1.0), codes
        )
        self.assertAllClose(value, 2.0)
        self.assertAllClose(gradient, [[1.0] * 4, [0.0] * 4, [0.0] * 4])


class ClassesTest(tf.test.TestCase):
    def test_known_numbers(self):
        logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]])
        expected, counted = tf.constant([0, 2, 1]), tf.constant([True, True, False])
        value, gradient = _value_and_gradient(
            lambda logits: losses.classes(logits, expected, counted), logits
        )
        self.assertAllClose(value, np.log(2.0) - np.log(0.8))
        self.assertAllClose(gradient, [[-0.5, 0.25, 0.25], [0.1, 0.1, -0.2], [0.0] * 3])

    def test_a_shift_of_all_logits_changes_nothing(self):
        logits = tf.random.stateless_normal([5, 4], [0, 0])
        rest = tf.constant([0, 1, 2, 3, 3]), tf.ones([5], tf.bool)
        expected = losses.classes(logits, *rest)
        self.assertAllClose(losses.classes(logits + 50.0, *rest), expected, atol=1e-4)


class MasksTest(tf.test.TestCase):
    def test_known_numbers(self):
        # A quarter of the pixels is wrong by log 4, the rest right by log 4/3.
        logits = np.full([2, 2, 2], np.log(3.0))
        expected = tf.constant([[[1.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
        value, gradient = _value_and_gradient(
            lambda logits: losses.masks(logits, expected, tf.constant([True, False])), logits
        )
        self.assertAllClose(value, 0.75 * np.log(4 / 3) + 0.25 * np.log(4.0))
        first = np.array([[-0.25, -0.25], [-0.25, 0.75]]) / 4
        self.assertAllClose(gradient, [first, np.zeros([2, 2])])

    def test_it_is_a_mean_over_pixels_and_a_sum_over_regions(self):
        logits = tf.random.stateless_normal([3, 4, 4], [0, 0])
        expected = tf.cast(tf.random.stateless_uniform([3, 4, 4], [0, 1]) < 0.5, tf.float32)
        one = losses.masks(logits, expected, tf.ones([3], tf.bool))
        large = (tf.repeat(tf.repeat(each, 2, axis=1), 2, axis=2) for each in (logits, expected))
        self.assertAllClose(losses.masks(*large, tf.ones([3], tf.bool)), one)
        twice = (tf.concat([each, each], axis=0) for each in (logits, expected))
        self.assertAllClose(losses.masks(*twice, tf.ones([6], tf.bool)), 2.0 * one)


if __name__ == "__main__":
    tf.test.main()
