"""Tests of kdcl_tf.cohort.optimizers.parts, of `MultiOptimizer`."""

import unittest

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from tests.small_cohort import CohortTestCase, compiled, fit, make_data, make_students


def _alone(student, optimizer, **kwargs):
    """A student that `keras.Model.fit` trains by itself, as `fit` trains a cohort."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(optimizer, loss, run_eagerly=True)
    fit(student, *make_data(), **kwargs)
    return student


@unittest.skipUnless(hasattr(keras.optimizers, "MultiOptimizer"), "Keras has none yet")
class MultiOptimizerTest(CohortTestCase):
    """Kernels by one optimizer and the rest by another, or as a test says."""

    def _make(self, kernels=None, **others):
        kinds = keras.optimizers
        default, kernels = kinds.SGD(0.1, **others), kernels or kinds.Adam(0.01)
        return kinds.MultiOptimizer(kinds.OptimizerMap(default, {".*kernel": kernels}))

    def test_each_student_may_have_one_and_trains_as_alone(self):
        cohort = compiled(methods.Independent, optimizer={"a": self._make(), "z": self._make()})
        self.assertEqual(cohort.optimizer.rates, {})
        fit(cohort)
        for name, student in make_students().items():
            self.assert_same_weights(cohort.students[name], _alone(student, self._make()))

    def test_a_rate_of_all_is_refused_where_a_student_has_several(self):
        cohort = compiled(optimizer={"z": "sgd", "a": self._make()})
        self.assertAllClose(cohort.optimizer.rates, {"z": 0.01})
        with self.assertRaisesRegex(
            ValueError, "a learning rate of each .*; got none of that of a"
        ):
            cohort.optimizer.learning_rate = 0.1
        self.assertAllClose(cohort.student_optimizers["z"].learning_rate, 0.01)

    def test_averages_of_one_that_has_them_are_the_end(self):
        def make():
            return self._make(use_ema=True, ema_momentum=0.8)

        cohort = compiled(methods.Independent, optimizer={"a": make(), "z": make()})
        self.assertTrue(cohort.optimizer.use_ema)
        fit(cohort)
        for name, student in make_students().items():
            self.assert_same_weights(cohort.students[name], _alone(student, make()))

    def test_no_students_are_clipped_together(self):
        message = (
            "one student's gradients; got a MultiOptimizer in which .* clips those of a, z tog"
        )
        clipped = [keras.optimizers.SGD(0.1, global_clipnorm=0.05) for _ in range(2)]
        for given in (
            self._make(clipped[0]),
            self._make(global_clipnorm=0.05),
            keras.optimizers.MultiOptimizer(lambda variable: clipped[1]),
        ):
            with self.assertRaisesRegex(ValueError, message):
                methods.Independent(make_students()).compile(given)
        cohort = methods.Independent(make_students())
        own = [each.path for each in cohort.students["z"].trainable_variables]
        apart = keras.optimizers.MultiOptimizer(
            lambda each: each_student["z" if each.path in own else "a"]
        )
        each_student = {
            name: keras.optimizers.SGD(0.1, global_clipnorm=0.05) for name in cohort.students
        }
        cohort.compile(apart, run_eagerly=True)
        fit(cohort)
        for name, student in make_students().items():
            alone = _alone(student, keras.optimizers.SGD(0.1, global_clipnorm=0.05))
            self.assert_same_weights(cohort.students[name], alone)

    @parameterized.parameters(None, 8.0)
    def test_what_is_frozen_after_compile_is_left_out(self, loss_scale):
        def make():
            several = self._make()
            if not loss_scale:
                return several
            return keras.optimizers.LossScaleOptimizer(several, initial_scale=loss_scale)

        cohort = compiled(methods.Independent, optimizer=make())
        cohort.students["z"].layers[0].trainable = False
        fit(cohort)
        for name, student in make_students().items():
            student.layers[0].trainable = name != "z"
            self.assert_same_weights(cohort.students[name], _alone(student, make()))

    def test_one_object_inside_two_is_refused(self):
        shared = keras.optimizers.SGD(0.1)
        given = {name: self._make(shared) for name in "za"}
        with self.assertRaisesRegex(ValueError, "two students share one optimizer object"):
            compiled(optimizer=given)


if __name__ == "__main__":
    tf.test.main()
