"""Tests of kdcl_tf.cohort.hyperparameters, through cohorts that have them."""

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    fit,
    make_branches,
    make_data,
    make_students,
)


class HyperparametersTest(CohortTestCase):
    _LATER = {"distillation_weight": 0.25, "temperature": 3.0}

    @parameterized.parameters(
        methods.KDCL, methods.MutualLearning, methods.Independent, methods.ONE, methods.CLNN
    )
    @pytest.mark.slow
    def test_a_number_assigned_after_the_first_trace_is_that_of_a_new_cohort(self, method):
        branched = method in (methods.ONE, methods.CLNN)
        images, labels = make_data()

        def made(**settings):
            keras.utils.set_random_seed(1)
            cohort = method(make_branches() if branched else make_students(), **settings)
            cohort.compile(keras.optimizers.SGD(0.0))
            return cohort

        def losses(cohort):
            # In training, where the statistics of batch norm are those of the batch.
            return cohort.fit(images, labels, shuffle=False, verbose=0).history

        changed = made()
        first = losses(changed)
        for name, value in self._LATER.items():
            setattr(changed, name, value)
            self.assertEqual(getattr(changed, name), value)
        found, expected = losses(changed), losses(made(**self._LATER))
        self.assertAllClose(found, expected, atol=1e-5)
        if method is not methods.Independent:
            self.assertNotAllClose(found["loss"], first["loss"], atol=1e-3)

    @parameterized.parameters(
        ("temperature", 0.0, "temperature must be > 0; got 0.0"),
        ("temperature", float("nan"), "temperature must be > 0; got nan"),
        ("temperature", float("inf"), "temperature must be finite; got inf"),
        ("distillation_weight", -1.0, "distillation_weight must be >= 0; got -1.0"),
        ("temperature", 1e-50, "temperature must be > 0; got 1e-50, which is 0 in float32"),
        ("temperature", 2e19, "temperature must have a square that float32 holds; got"),
        ("temperature", 1e-23, "temperature must have a square that float32 holds; got"),
        ("distillation_weight", 1e39, "must be finite; got 1e\\+39, which is inf in float32"),
        ("distillation_weight", float("inf"), "distillation_weight must be finite; got inf"),
    )
    def test_a_number_out_of_range_is_refused_and_nothing_changes(self, name, value, message):
        cohort = methods.KDCL(make_students())
        before = float(getattr(cohort, name))
        with self.assertRaisesRegex(ValueError, message):
            setattr(cohort, name, value)
        self.assertEqual(getattr(cohort, name), before)
        with self.assertRaisesRegex(ValueError, message):
            methods.KDCL(make_students(), **{name: value})

    def test_they_are_not_trained(self):
        cohort = compiled()
        fit(cohort)
        self.assertEqual([cohort.temperature, cohort.distillation_weight], [2.0, 1.0])
        paths = [each.path for each in cohort.trainable_variables]
        self.assertFalse([path for path in paths if "temperature" in path or "weight" in path])


if __name__ == "__main__":
    tf.test.main()
