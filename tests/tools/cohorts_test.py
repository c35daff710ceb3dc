"""Tests of tools/verifying/cohorts.py: a cohort of every method, and what a step changes."""

import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from verifying import cohorts

import kdcl_tf

_KINDS = (kdcl_tf.KDCL, kdcl_tf.Independent, kdcl_tf.MutualLearning, kdcl_tf.OfflineDistillation,
          kdcl_tf.ONE, kdcl_tf.CLNN)  # fmt: skip


class CohortsTest(tf.test.TestCase, parameterized.TestCase):
    def test_every_method_of_the_package_is_there(self):
        made = [cohorts.create(name, cohorts.small_networks) for name in cohorts.METHODS]
        self.assertEqual({type(each) for each in made}, set(_KINDS))
        ensembles = [each.ensemble.name for each in made if isinstance(each, kdcl_tf.KDCL)]
        self.assertLen(set(ensembles), 4)

    def test_a_step_is_that_of_the_cohort(self):
        cohort, other = (cohorts.create("KDCL general", cohorts.small_networks) for _ in range(2))
        cohorts.copy(cohort, to=other)
        found = cohorts.after_step(cohort, 9)
        images, labels = cohorts.batch(9)
        other.train_on_batch(images, labels)
        wanted = [each.numpy() for each in (*other.variables, *other.optimizer.variables)]
        self.assertLess(cohorts.difference(found, wanted), 1e-5)

    def test_weights_are_copied(self):
        first, second = (cohorts.create("ONE", cohorts.networks) for _ in range(2))
        for each in first.trainable_variables:
            each.assign(each + 1.0)
        cohorts.copy(first, to=second)
        for own, other in zip(second.variables, first.variables, strict=True):
            self.assertAllEqual(own, other)

    def test_a_step_that_trains_nothing_is_an_error(self):
        cohort = cohorts.create("Independent", cohorts.small_networks)
        cohort.optimizer.learning_rate = 0.0
        with self.assertRaisesRegex(RuntimeError, "the step moved no weight by more than 0e"):
            cohorts.after_step(cohort, 9)

    def test_the_difference_is_the_largest_and_a_nan_is_no_small_one(self):
        zeros, other = np.zeros([2, 2]), np.array([[0.0, -0.5], [0.25, 0.0]])
        self.assertEqual(cohorts.difference([zeros, zeros], [zeros, other]), 0.5)
        # Beside the largest, too.
        for place in (0, 1):
            found = [zeros, zeros]
            found[place] = np.full([2, 2], np.nan)
            self.assertTrue(math.isnan(cohorts.difference(found, [other, other])))


if __name__ == "__main__":
    tf.test.main()
