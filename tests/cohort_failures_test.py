"""Tests of kdcl_tf.cohort: what it refuses, and how it says so."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import methods
from kdcl_tf.cohort import cohort as cohort_lib
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    fit,
    make_data,
    make_student,
    make_students,
)


class FailureTest(CohortTestCase):
    def _refused(self, message):
        return self.assertRaisesRegex(ValueError, message)

    def test_settings(self):
        for temperature in (0.0, -1.0, float("nan")):
            with self._refused(f"temperature must be > 0; got {temperature}"):
                methods.KDCL(make_students(), temperature=temperature)
        for weight in (-0.1, float("nan")):
            with self._refused(f"distillation_weight must be >= 0; got {weight}"):
                methods.KDCL(make_students(), distillation_weight=weight)

    def test_members(self):
        with self._refused("must have the same number of classes; got {'a': 6, 'b': 3}"):
            methods.KDCL({"a": make_student(), "b": make_student(classes=3)})
        with self._refused("students must be a dict"):
            methods.KDCL([make_student()])

    def test_names_that_make_two_metrics_alike(self):
        with self._refused("two called ensemble_accuracy"):
            methods.KDCL({"ensemble": make_student()})

    def test_keys_of_views(self):
        images, labels = make_data()
        message = r"a view for each of \['a', 'z'\]; got a dict with keys \['a', 'b'\]"
        with self._refused(message):
            fit(compiled(run_eagerly=True), {"a": images, "b": images}, labels)
        with self._refused(r"a view for each of \['a', 'z'\]; got a dict with keys \['a'\]"):
            compiled().predict({"a": images}, verbose=0)

    def test_keys_of_optimizers(self):
        with self._refused(r"one for each of \['a', 'z'\]; got keys \['a'\]"):
            compiled(optimizer={"a": "sgd"})
        shared = keras.optimizers.SGD()
        with self._refused("two students share one optimizer object"):
            compiled(optimizer={"a": shared, "z": shared})

    def test_labels(self):
        images, _ = make_data()
        with self._refused(r"expected \(images, labels\); got no labels"):
            fit(compiled(), images)
        with self._refused(r"labels must be \[B\] classes or \[B, 6\] probabilities for 6 classes"):
            fit(compiled(), images, np.zeros([14, 4]))

    def test_it_must_be_compiled(self):
        with self._refused("compile"):
            fit(methods.KDCL(make_students()))

    def test_the_base_asks_for_an_override(self):
        cohort = cohort_lib.Cohort(make_students())
        cohort.compile("sgd", run_eagerly=True)
        with self.assertRaisesRegex(TypeError, "Cohort must override distillation_losses"):
            fit(cohort)


if __name__ == "__main__":
    tf.test.main()
