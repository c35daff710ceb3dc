"""Tests of kdcl_tf.cohort.optimizers.averages."""

import unittest
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort.optimizers import averages
from tests.small_cohort import CohortTestCase, compiled, fit, make_student

_FORMS = ("one", "each", "several", "scaled")


def _make(form="one", **kwargs):
    kinds = keras.optimizers

    def one():
        return kinds.SGD(0.1, **{"use_ema": True, "ema_momentum": 0.5, **kwargs})

    if form == "each":
        return {name: one() for name in "za"}
    if form == "several":
        if not hasattr(kinds, "MultiOptimizer"):
            raise unittest.SkipTest("Keras has none yet")
        return kinds.MultiOptimizer(kinds.OptimizerMap(one(), {".*bias": one()}))
    return kinds.LossScaleOptimizer(one()) if form == "scaled" else one()


def _students(units=4):
    return {"z": make_student(4), "a": make_student(units)}


def _alone(student, **kwargs):
    cohort = compiled(methods.Independent, {"z": student}, _make(**kwargs))
    fit(cohort)
    return student


class FrozenAfterCompileTest(CohortTestCase):
    @parameterized.parameters(*[(form, "z") for form in _FORMS], ("each", "a"))
    def test_a_frozen_student_stays_and_the_other_gets_its_averages(self, form, frozen):
        students = _students()
        students["a"].set_weights([each + 0.1 for each in students["a"].get_weights()])
        other = "za".replace(frozen, "")
        expected = keras.models.clone_model(students[other])
        expected.set_weights(students[other].get_weights())
        _alone(expected)
        before = [each.copy() for each in students[frozen].get_weights()]
        cohort = compiled(methods.Independent, students, _make(form))
        students[frozen].trainable = False
        fit(cohort)
        for each, wanted in zip(students[frozen].get_weights(), before):
            np.testing.assert_array_equal(each, wanted)
        self.assert_same_weights(students[other], expected)

    @parameterized.parameters("one", "each", "several")
    def test_a_frozen_layer_stays_as_in_a_cohort_of_that_student_alone(self, form):
        cohort = compiled(methods.Independent, _students(7), _make(form))
        expected = _students(7)
        for name, student in expected.items():
            student.layers[0].trainable = cohort.students[name].layers[0].trainable = False
            _alone(student)
        fit(cohort)
        for name, student in expected.items():
            self.assert_same_weights(cohort.students[name], student)

    @parameterized.parameters(("one", True), ("each", True), ("each", False))
    def test_what_is_frozen_is_not_swapped(self, form, swap_on_epoch):
        cohort = compiled(methods.Independent, _students(), _make(form))
        cohort.students["a"].trainable = False
        before = [each.copy() for each in cohort.students["a"].get_weights()]
        measured = cohort.evaluate(*_data(), verbose=0, return_dict=True)["a_cross_entropy"]
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=swap_on_epoch)
        history = fit(cohort, callbacks=[swap], validation_data=_data())
        self.assertAllClose(history["val_a_cross_entropy"], [measured])
        for each, wanted in zip(cohort.students["a"].get_weights(), before):
            np.testing.assert_array_equal(each, wanted)
        self.assert_same_weights(cohort.students["z"], _fitted(form).students["z"])

    @parameterized.parameters("one", "each")
    def test_a_student_frozen_between_two_fits_stays_and_the_other_goes_on(self, form):
        cohort = _fitted(form)
        cohort.students["z"].trainable = False
        cohort.compile(cohort.optimizer, run_eagerly=True)
        before = {name: each.get_weights() for name, each in cohort.students.items()}
        fit(cohort)
        self.assertAllEqual(cohort.students["z"].get_weights()[0], before["z"][0])
        self.assertNotAllClose(cohort.students["a"].get_weights()[0], before["a"][0])
        self.assertNotAllClose(cohort.students["a"].get_weights()[0], before["z"][0], atol=1e-2)

    def test_averages_that_overwrite_weights_as_they_train_leave_the_frozen(self):
        cohort = compiled(methods.Independent, _students(), _make(ema_overwrite_frequency=2))
        cohort.students["z"].trainable = False
        before = [each.copy() for each in cohort.students["z"].get_weights()]
        fit(cohort)
        self.assertAllEqual(cohort.students["z"].get_weights()[0], before[0])
        alone = _alone(make_student(4), ema_overwrite_frequency=2)
        self.assert_same_weights(cohort.students["a"], alone)

    def test_batches_of_a_loop_begin_once(self):
        cohort = compiled(methods.Independent, _students(), _make())
        cohort.students["z"].trainable = False
        cohort.students["z"].set_weights(
            [each + 1.0 for each in cohort.students["z"].get_weights()]
        )
        with mock.patch.object(averages, "begin", wraps=averages.begin) as begin:
            for call in (cohort.test_on_batch, cohort.train_on_batch, cohort.train_on_batch):
                call(*_data())
        self.assertEqual(begin.call_count, 1)
        found = cohort.optimizer._model_variables_moving_average
        self.assertAllEqual(found[0], cohort.students["z"].get_weights()[0])

    def test_replicas_and_graphs(self):
        with _two_replicas().scope():
            cohort = compiled(methods.Independent, _students(), _make(), run_eagerly=False)
        cohort.students["z"].trainable = False
        before = [each.copy() for each in cohort.students["z"].get_weights()]
        fit(cohort, batch_size=6)
        self.assertAllEqual(cohort.students["z"].get_weights()[0], before[0])
        alone = compiled(methods.Independent, {"a": make_student(4)}, _make())
        fit(alone, batch_size=6)
        self.assert_same_weights(cohort.students["a"], alone.students["a"])

    def test_averages_overwrite_weights_on_replicas_too(self):
        """Eagerly, replicas are threads that take turns in the middle of an update."""

        def trained(freeze, strategy):
            with strategy.scope():
                student = make_student(4)
                optimizer = _make(ema_overwrite_frequency=2)
                cohort = compiled(methods.Independent, {"z": student}, optimizer)
            student.layers[0].trainable = not freeze
            before = student.get_weights()[0]
            own = optimizer._model_variables_moving_average
            fit(cohort, batch_size=7, epochs=2)
            self.assertIs(optimizer._model_variables_moving_average, own)
            self.assertEqual(freeze, np.array_equal(student.get_weights()[0], before))
            return student

        for freeze in (False, True):
            student = trained(freeze, _two_replicas())
            self.assert_same_weights(student, trained(freeze, tf.distribute.get_strategy()))


class BeginTest(CohortTestCase):
    def test_new_ones_begin_as_the_weights_and_those_of_steps_stay(self):
        weights = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
        optimizer = _make()
        averages.begin(optimizer)  # It is not built.
        optimizer.build(weights)
        averages.begin(optimizer)
        found = optimizer._model_variables_moving_average
        self.assertAllEqual(found[0], [1.0, 2.0])
        optimizer.apply([tf.ones(2), tf.ones(1)], weights)
        weights[0].assign([7.0, 7.0])
        weights[1].trainable = False
        weights[1].assign([8.0])
        averages.begin(optimizer)
        self.assertAllClose(found[0], [0.9, 1.9])
        self.assertAllEqual(found[1], [8.0])


def _data():
    rng = np.random.default_rng(3)
    return rng.normal(size=[8, 5]).astype(np.float32), rng.integers(6, size=8)


def _two_replicas():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _fitted(form):
    cohort = compiled(methods.Independent, _students(), _make(form))
    fit(cohort)
    return cohort


if __name__ == "__main__":
    tf.test.main()
