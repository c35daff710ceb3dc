"""Tests that a step that XLA compiles for two replicas is that on one device."""

import keras
import pytest
import tensorflow as tf

import kdcl_tf
from kdcl_tf.students.normalization import FusedBatchNormalization
from tests.replicated import two_replicas


class CompilationTest(two_replicas.ReplicasTestCase):
    """Steps that XLA compiles for each of two replicas."""

    def _compile(self, cohort, **kwargs):
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=True, **kwargs)
        return cohort

    @pytest.mark.slow
    def test_a_step_of_two_is_that_of_one_that_is_not_compiled(self):
        self._check_a_step("min_logit", 1)

    @pytest.mark.slow
    def test_a_step_in_parts_with_a_solver_inside(self):
        self._check_a_step("linear", 2)

    def _check_a_step(self, ensemble, accumulation_steps):
        single, double = two_replicas.pair(two_replicas.dense_student, ensemble=ensemble)
        with two_replicas.strategy().scope():
            self._compile(double, accumulation_steps=accumulation_steps)
        for examples in (17, 32):
            images, labels = two_replicas.data(examples)
            for each in (single, double):
                each.fit(images, labels, batch_size=examples, shuffle=False, verbose=0)
            self.assert_same_weights(double, single, f"{examples} images")

    @pytest.mark.slow
    def test_evaluation_and_prediction_count_every_image(self):
        single, double = two_replicas.pair(two_replicas.dense_student)
        with two_replicas.strategy().scope():
            self._compile(double)
        images, labels = two_replicas.data(17)
        options = {"batch_size": 16, "verbose": 0}
        expected, found = (
            each.evaluate(images, labels, return_dict=True, **options) for each in (single, double)
        )
        self.assertAllClose(found, expected, atol=1e-5)
        expected, found = (each.predict(images, **options) for each in (single, double))
        self.assertAllClose(found, expected, atol=1e-5)

    def test_statistics_of_each_replicas_own_are_those_uncompiled(self):
        def make():
            keras.utils.set_random_seed(4)
            return keras.Sequential(
                [
                    keras.Input((6, 6, 3)),
                    FusedBatchNormalization(momentum=0.9),
                    keras.layers.Flatten(),
                    keras.layers.Dense(7),
                ]
            )

        cohorts = []
        for jit_compile in (False, True):
            with two_replicas.strategy().scope():
                cohort = kdcl_tf.KDCL({"a": make(), "z": make()})
                cohort.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
            cohort.fit(*two_replicas.data(17), batch_size=17, shuffle=False, verbose=0)
            cohorts.append(cohort)
        self.assert_same_weights(*cohorts)

    def test_synchronized_batch_norm_is_refused(self):
        with two_replicas.strategy().scope():
            cohort = two_replicas.cohort(two_replicas.normalized_student)
            with self.assertRaisesRegex(
                ValueError,
                "got synchronized batch norm on 2 replicas, in .*: leave out jit_compile",
            ):
                self._compile(cohort)


if __name__ == "__main__":
    tf.test.main()
