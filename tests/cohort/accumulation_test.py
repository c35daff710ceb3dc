"""Tests of kdcl_tf.cohort.accumulation: a step in parts is the step of the whole batch."""

import functools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort import accumulation
from kdcl_tf.cohort.step import Step
from kdcl_tf.training.optimizers import CoupledSGD
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    compiled_graph,
    fit,
    make_branches,
    make_data,
    make_student,
    make_students,
)


class PartTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((7, 3, [2, 2, 3]), (8, 4, [2, 2, 2, 2]), (2, 3, [0, 1, 1]))
    def test_parts_are_near_equal_and_make_the_whole(self, size, count, sizes):
        numbers = tf.range(size)
        parts = [accumulation.part(numbers, index, count) for index in range(count)]
        self.assertEqual([len(each) for each in parts], sizes)
        self.assertAllEqual(tf.concat(parts, axis=0), numbers)

    def test_structures_keep_their_nones_and_what_is_shared(self):
        image = tf.reshape(tf.range(12), [4, 3])
        views, labels, weights = accumulation.part(
            ({"a": image, "b": image}, tf.range(4), None), index=1, count=2
        )
        self.assertAllEqual(views["a"], [[6, 7, 8], [9, 10, 11]])
        self.assertIs(views["a"], views["b"])
        self.assertAllEqual(labels, [2, 3])
        self.assertIsNone(weights)

    def test_one_part_is_the_batch_itself(self):
        batch = (tf.zeros([3]), None)
        self.assertIs(accumulation.part(batch, 0, 1), batch)

    def test_in_a_graph_a_part_waits_for_the_gradients_before_it(self):
        @tf.function
        def cut(batch):
            before = tf.square(batch, name="before")
            return accumulation.part(batch, 1, 2, after=[[before, None]])

        graph = cut.get_concrete_function(tf.zeros([4])).graph
        before = graph.get_operation_by_name("before")
        waiting = [each for each in graph.get_operations() if before in each.control_inputs]
        self.assertIn("Identity", {each.type for each in waiting})


class AddTest(tf.test.TestCase):
    def test_known_sums(self):
        sparse = tf.IndexedSlices(tf.constant([5.0]), tf.constant([1]), tf.constant([2]))
        gradients = [[tf.constant([1.0, 2.0]), None], [sparse]]
        total = accumulation.add(accumulation.add(None, gradients), gradients)
        self.assertAllEqual(total[0][0], [2.0, 4.0])
        self.assertIsNone(total[0][1])
        self.assertAllEqual(total[1][0], [0.0, 10.0])

    def test_none_is_zero(self):
        self.assertAllEqual(accumulation.add([None], [tf.constant(3.0)])[0], 3.0)
        self.assertAllEqual(accumulation.add([tf.constant(3.0)], [None])[0], 3.0)


class JoinTest(tf.test.TestCase):
    def test_examples_are_joined_and_penalties_averaged(self):
        first, second = (
            Step(
                logits=tf.fill([3, size, 3], value),
                cross_entropy=tf.fill([3, size], value),
                distillation_loss=tf.fill([2, size], value),
                loss=tf.fill([3, size], 2.0 * value),
                penalties=[tf.constant(value)],
            )
            for size, value in ((1, 1.0), (2, 4.0))
        )
        joined = accumulation.join([first, second])
        self.assertAllEqual(joined.logits[:, :, 0], [[1, 4, 4]] * 3)
        self.assertAllEqual(joined.cross_entropy, [[1, 4, 4]] * 3)
        self.assertAllEqual(joined.distillation_loss, [[1, 4, 4]] * 2)
        self.assertAllEqual(joined.loss, [[2, 8, 8]] * 3)
        self.assertAllEqual(joined.penalties, [2.5])
        self.assertIs(accumulation.join([first]), first)


def _ramped(students, **settings):
    return methods.ONE(students, ramp_up_steps=5, **settings)


def _taught(students, **settings):
    return methods.OfflineDistillation(students, make_student(9), **settings)


def _without_batch_norm(cohort):
    """ONE's gate has one, which uses its moving statistics where it is not trained."""
    for layer in cohort.network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return cohort


class StepTest(CohortTestCase):
    """14 images in batches of 5: the last has 4."""

    def _assert_same(self, found, expected, found_history, expected_history):
        self.assertAllClose(found_history, expected_history, rtol=1e-6, atol=1e-6)
        for each, wanted in zip(found.get_weights(), expected.get_weights(), strict=True):
            self.assertAllClose(each, wanted, rtol=1e-6, atol=1e-6)

    def _compare(self, make, parts, **kwargs):
        expected, found = make(), make(accumulation_steps=parts)
        self._assert_same(found, expected, fit(found, **kwargs), fit(expected, **kwargs))
        for each, wanted in zip(
            found.optimizer.variables, expected.optimizer.variables, strict=True
        ):
            self.assertAllClose(each, wanted, rtol=1e-6, atol=1e-6)

    @parameterized.parameters(("naive", 2), ("linear", 4), ("min_logit", 2), ("general", 4))
    def test_every_ensemble(self, ensemble, parts):
        self._compare(functools.partial(compiled, settings={"ensemble": ensemble}), parts)

    @parameterized.parameters(
        methods.Independent, methods.MutualLearning, methods.CLNN, _ramped, _taught
    )
    def test_every_method(self, method):
        def make(**kwargs):
            keras.utils.set_random_seed(3)
            if method in (methods.CLNN, _ramped):
                return _without_batch_norm(compiled(method, make_branches(), **kwargs))
            return compiled(method, make_students(), **kwargs)

        self._compare(make, parts=3)

    def test_weights_penalties_schedules_decay_and_weighted_metrics(self):
        def make(**kwargs):
            schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.2, 0.02, 0.5])
            return compiled(
                students=make_students(regularizer=keras.regularizers.L2(0.1)),
                optimizer=CoupledSGD(schedule, momentum=0.9, coupled_weight_decay=0.01),
                weighted_metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy()],
                **kwargs,
            )

        self._compare(make, parts=4, sample_weight=np.linspace(0.0, 2.0, 14))

    def test_a_metric_sees_the_whole_batch(self):
        def batch_size(labels, logits):
            return tf.cast(tf.shape(logits)[0], tf.float32)

        cohort = compiled(metrics=[batch_size], accumulation_steps=3)
        history = fit(cohort, batch_size=14, epochs=1)
        self.assertEqual(history["z_batch_size"], [14.0])

    def test_an_optimizer_for_each_and_the_loss_scale_of_half_precision(self):
        def make(**kwargs):
            optimizer = {
                "z": keras.optimizers.Adam(0.01, clipnorm=0.1),
                "a": keras.optimizers.LossScaleOptimizer(
                    keras.optimizers.SGD(0.2), initial_scale=64.0
                ),
            }
            return compiled(optimizer=optimizer, **kwargs)

        expected, found = make(), make(accumulation_steps=2)
        self._assert_same(found, expected, fit(found), fit(expected))

    def test_more_parts_than_examples(self):
        self._compare(compiled, parts=6)

    def test_the_graph_and_eager_execution_agree(self):
        expected, found = compiled(), compiled_graph(accumulation_steps=3)
        self._assert_same(found, expected, fit(found), fit(expected))

    def test_batch_norm_moves_its_statistics_once_a_part(self):
        layers = [keras.Input((5,)), keras.layers.BatchNormalization(momentum=0.9)]
        cohort = compiled(
            students={"only": keras.Sequential([*layers, keras.layers.Dense(6)])},
            accumulation_steps=2,
        )
        images, labels = make_data(8)
        fit(cohort, images, labels, batch_size=8, epochs=1)
        moving = 0.1 * images[:4].mean(axis=0)
        moving = 0.9 * moving + 0.1 * images[4:].mean(axis=0)
        self.assertAllClose(cohort.students["only"].layers[0].moving_mean, moving, atol=1e-6)

    def test_it_is_saved_with_the_cohort(self):
        config = compiled(accumulation_steps=3).get_compile_config()
        again = methods.KDCL(make_students())
        again.compile_from_config(config)
        self.assertEqual(again.accumulation_steps, 3)

    @parameterized.parameters(0, 1.5, True)
    def test_what_is_no_number_of_parts_is_refused(self, parts):
        with self.assertRaisesRegex(ValueError, f"must be a whole number >= 1; got {parts}"):
            compiled(accumulation_steps=parts)


class LossesOfLayersTest(CohortTestCase):
    def test_the_mean_over_the_parts_counts(self):
        class Summing(keras.layers.Layer):
            def call(self, inputs):
                self.add_loss(tf.reduce_sum(inputs**2))
                return inputs

        images, labels = make_data()
        student = keras.Sequential([keras.Input((5,)), Summing(), keras.layers.Dense(6)])
        for parts in (1, 2):
            cohort = compiled(methods.Independent, {"a": student}, accumulation_steps=parts)
            found = fit(cohort, images, labels, batch_size=14)
            added = found["loss"][0] - found["a_cross_entropy"][0]
            self.assertAllClose(added, np.sum(images**2) / parts, rtol=1e-4)


if __name__ == "__main__":
    tf.test.main()
