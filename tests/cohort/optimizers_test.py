"""Tests of kdcl_tf.cohort.optimizers."""

import unittest

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import methods
from kdcl_tf.cohort.optimizers import by_student, check_scope, one_for_each
from tests.small_cohort import CohortTestCase, compiled, fit, make_data, make_student, make_students

# Wrappers of others have tests of their own.
_WRAPPERS = ("LossScaleOptimizer", "MultiOptimizer", "Optimizer")
_KINDS = [
    name
    for name, each in vars(keras.optimizers).items()
    if isinstance(each, type)
    and issubclass(each, keras.optimizers.Optimizer)
    and name not in _WRAPPERS
]


def _alone(student, optimizer, **kwargs):
    """A student that `keras.Model.fit` trains by itself, as `fit` trains a cohort."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(optimizer, loss, run_eagerly=True)
    fit(student, *make_data(), **kwargs)
    return student


def _each(**kwargs):
    return {name: keras.optimizers.SGD(rate, **kwargs) for name, rate in (("z", 0.2), ("a", 0.1))}


class TrainedAloneTest(CohortTestCase):
    def _assert_as_alone(self, cohort, make):
        # Weights of before `fit`, where Keras builds the optimizer of a student alone.
        students = make_students()
        for name, student in students.items():
            student.set_weights([0.1 + 2 * each for each in student.get_weights()])
            cohort.students[name].set_weights(student.get_weights())
        fit(cohort)
        for name, student in students.items():
            self.assert_same_weights(cohort.students[name], _alone(student, make()), atol=1e-5)

    @parameterized.parameters(*_KINDS)
    def test_every_kind_of_keras(self, kind):
        def make():
            return getattr(keras.optimizers, kind)(0.01)

        optimizers = {"a": make(), "z": make()}
        self._assert_as_alone(compiled(methods.Independent, optimizer=optimizers), make)

    @parameterized.parameters(
        {"global_clipnorm": 0.05},
        {"clipnorm": 0.05},
        {"clipvalue": 0.01},
        {"weight_decay": 0.1},
        {"use_ema": True, "ema_momentum": 0.8},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
        {"loss_scale_factor": 8.0},
    )
    @pytest.mark.slow
    def test_every_argument(self, **arguments):
        def make():
            return keras.optimizers.SGD(0.2, momentum=0.9, **arguments)

        self._assert_as_alone(compiled(methods.Independent, optimizer=make()), make)
        optimizers = {"a": make(), "z": make()}
        self._assert_as_alone(compiled(methods.Independent, optimizer=optimizers), make)


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


class Meeting(kdcl_tf.Cohort):
    """Students that move towards their mean, which is not held constant."""

    def distillation_losses(self, logits, labels, views):
        return tf.reduce_mean((logits - tf.reduce_mean(logits, axis=0)) ** 2, axis=-1)


class Looking(Meeting):
    """Also runs the first student on the second's view."""

    stop = staticmethod(tf.identity)

    def distillation_losses(self, logits, labels, views):
        first, second = self.students
        other = self.stop(self.students[first](views[second]))
        return super().distillation_losses(logits, labels, views) + tf.reduce_mean(other**2, -1)


class Consulting(Looking):
    """Takes what it sees there for a target."""

    stop = staticmethod(tf.stop_gradient)


class Penalized(Meeting):
    def penalties(self):
        return [2.0 * each for each in super().penalties()]


class CrossingGradientsTest(CohortTestCase):
    """A loss of one student that reaches another, whose optimizer has another loss scale."""

    def _weights(self, optimizer, dtype=None, method=Meeting, **kwargs):
        students = {
            "z": make_student(4, dtype=dtype, regularizer=keras.regularizers.L2(0.1)),
            "a": make_student(7),
        }
        cohort = compiled(method, students, optimizer, **kwargs)
        before = cohort.get_weights()
        fit(cohort, batch_size=14)
        return [after - each for after, each in zip(cohort.get_weights(), before)]

    def _assert_close(self, found, wanted, tolerance=1e-6):
        for each, other in zip(found, wanted, strict=True):
            self.assertAllClose(each, other, atol=tolerance)

    def test_scales_change_nothing(self):
        kinds = keras.optimizers
        one = self._weights(kinds.SGD(0.1))

        def dynamic(scale):
            return kinds.LossScaleOptimizer(kinds.SGD(0.1), initial_scale=scale)

        def fixed(scale):
            return kinds.SGD(0.1, loss_scale_factor=scale)

        for given in (
            {"z": kinds.SGD(0.1), "a": kinds.SGD(0.1)},
            {"z": dynamic(64.0), "a": dynamic(1024.0)},
            {"z": dynamic(64.0), "a": kinds.SGD(0.1)},
            {"z": fixed(8.0), "a": fixed(1024.0)},
            kinds.SGD(0.1, global_clipnorm=1e9, loss_scale_factor=16.0),
        ):
            self._assert_close(self._weights(given), one)
        given = {"z": dynamic(64.0), "a": dynamic(1024.0)}
        self._assert_close(self._weights(given, accumulation_steps=3), one)
        given = {"z": dynamic(64.0), "a": dynamic(1024.0)}
        self._assert_close(self._weights(given, run_eagerly=False, jit_compile=True), one)

    def test_students_in_half_precision(self):
        one = self._weights(keras.optimizers.SGD(0.1), "mixed_float16")
        for given in (
            {name: keras.optimizers.SGD(0.1) for name in "za"},
            keras.optimizers.SGD(0.1, global_clipnorm=1e9),
        ):
            self._assert_close(self._weights(given, "mixed_float16"), one, 1e-4)

    def test_students_on_devices(self):
        def make(**kwargs):
            return {
                name: keras.optimizers.SGD(0.1, loss_scale_factor=scale, **kwargs)
                for name, scale in (("z", 8.0), ("a", 1024.0))
            }

        one = self._weights(keras.optimizers.SGD(0.1))
        devices = dict.fromkeys("za", "CPU:0")
        self._assert_close(self._weights(make(), devices=devices), one)
        message = "uses the weights of a student, such as .*: expected that of logits and views"
        with self.assertRaisesRegex(ValueError, message):
            self._weights(keras.optimizers.SGD(0.1), method=Looking, devices=devices)
        one = self._weights(keras.optimizers.SGD(0.1), method=Consulting)
        apart = self._weights(
            make(), method=Consulting, devices=devices, accumulation_steps=2, run_eagerly=False
        )
        self._assert_close(apart, one)

    def test_what_crosses_elsewhere_than_by_logits_is_refused(self):
        scaled = {"z": keras.optimizers.SGD(0.1, loss_scale_factor=8.0), "a": "sgd"}
        message = "uses the weights of a student, such as .*: expected that of logits and views"
        with self.assertRaisesRegex(ValueError, message):
            self._weights(scaled, method=Looking)
        scaled = {"z": keras.optimizers.SGD(0.1, loss_scale_factor=8.0), "a": "sgd"}
        message = "a loss scale .* got Penalized, which overrides penalties: pass one optimizer"
        with self.assertRaisesRegex(ValueError, message):
            self._weights(scaled, method=Penalized)
        each = {name: keras.optimizers.SGD(0.1) for name in "za"}
        one = self._weights(keras.optimizers.SGD(0.1), method=Looking)
        self._assert_close(self._weights(each, method=Looking), one)


class LossScaleTest(CohortTestCase):
    def test_students_in_half_precision_get_one(self):
        students = {"z": make_student(4, dtype="mixed_float16"), "a": make_student(7)}
        cohort = compiled(students=students, optimizer="sgd")
        self.assertIsInstance(cohort.optimizer, keras.optimizers.LossScaleOptimizer)
        cohort = compiled(students=students, optimizer=_each())
        kinds = [type(each) for each in cohort.student_optimizers.values()]
        self.assertEqual(kinds, [keras.optimizers.LossScaleOptimizer, keras.optimizers.SGD])
        fit(cohort)
        cohort = compiled(students=students, optimizer="sgd", auto_scale_loss=False)
        self.assertIsInstance(cohort.optimizer, keras.optimizers.SGD)
        self.assertIsInstance(compiled(optimizer="sgd").optimizer, keras.optimizers.SGD)

    def test_a_cohort_is_compiled_again_with_its_own_optimizers(self):
        students = {"z": make_student(4, dtype="mixed_float16"), "a": make_student(7)}
        cohort = compiled(students=students, optimizer=_each())
        own = cohort.student_optimizers
        cohort.compile(cohort.optimizer, run_eagerly=True)
        for name, each in cohort.student_optimizers.items():
            self.assertIs(each, own[name])
        fit(cohort)

    @parameterized.parameters("sgd", None)
    def test_compiled_again_the_loss_scale_stays_what_it_has_become(self, optimizer):
        students = {"z": make_student(4, dtype="mixed_float16"), "a": make_student(7)}
        cohort = compiled(students=students, optimizer=optimizer or _each())
        scaled = cohort.optimizer if optimizer else cohort.student_optimizers["z"]
        scaled.dynamic_scale.assign(8.0)
        names = [each.path for each in scaled.variables]
        cohort.compile(cohort.optimizer)
        self.assertEqual(scaled.dynamic_scale.numpy(), 8.0)
        self.assertEqual([each.path for each in scaled.variables], names)


class _Halving(keras.optimizers.schedules.LearningRateSchedule):
    """Of a class that is not registered with Keras."""

    def __call__(self, step):
        return 0.5 ** tf.cast(step, tf.float32)

    def get_config(self):
        return {}


class _Plain(keras.optimizers.SGD):
    """Of a class that is not registered with Keras."""


class OneForEachTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(keras.optimizers.SGD, _Plain)
    def test_copies_are_whole(self, kind):
        optimizer = kind(_Halving(), momentum=0.9, global_clipnorm=2.0, weight_decay=0.1)
        kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
        named, listed = keras.Variable([1.0], name="gamma"), keras.Variable([1.0], name="beta")
        optimizer.exclude_from_weight_decay(var_list=[listed], var_names=["bias", "gamma"])
        scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
        for given in (optimizer, scaled):
            found = one_for_each(given, ["z", "a"])
            self.assertEqual(
                [each.name for each in found.values()], [f"{given.name}_{n}" for n in "za"]
            )
            self.assertIsNot(found["z"], found["a"])
            for copy in found.values():
                self.assertIs(type(copy), type(given))
                inner = getattr(copy, "inner_optimizer", copy)
                self.assertIs(type(inner), kind)
                self.assertEqual(inner.get_config()["momentum"], 0.9)
                self.assertEqual(inner.global_clipnorm, 2.0)
                self.assertEqual(float(inner.learning_rate), 1.0)
                decays = [inner._use_weight_decay(each) for each in (kernel, bias, named, listed)]
                self.assertEqual(decays, [True, False, False, False])
        self.assertEqual(copy.initial_scale, 8.0)

    def test_a_method_with_variables_of_its_own_is_told_of_global_clipnorm(self):
        class Projecting(methods.Independent):
            def __init__(self, students):
                super().__init__(students)
                self.projection = keras.layers.Dense(4)
                self.projection.build((None, 4))

        cohort = Projecting(make_students())
        with self.assertRaisesRegex(
            ValueError, "belongs to no student: .*got one with global_clip"
        ):
            cohort.compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0))
        with self.assertRaisesRegex(ValueError, "one optimizer for all; got one for each student"):
            cohort.compile(_each())


class ByStudentTest(tf.test.TestCase):
    def test_they_come_in_the_order_of_the_students(self):
        sgd = keras.optimizers.SGD(0.1)
        found = by_student({"b": "adam", "a": sgd}, ("a", "b"))
        self.assertEqual(list(found), ["a", "b"])
        self.assertIs(found["a"], sgd)
        self.assertIsInstance(found["b"], keras.optimizers.Adam)

    def test_other_names_and_shared_objects_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"one for each of \['a', 'b'\]; got keys \['a'\]"):
            by_student({"a": "sgd"}, ("a", "b"))
        shared = keras.optimizers.SGD(0.1)
        with self.assertRaisesRegex(ValueError, "two students share one optimizer object"):
            by_student({"a": shared, "b": shared}, ("a", "b"))

    def test_an_optimizer_belongs_to_the_strategy_it_was_made_in(self):
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        outside = keras.optimizers.SGD(0.1)
        with strategy.scope():
            inside = keras.optimizers.SGD(0.1)
        check_scope(inside, strategy)
        check_scope(outside, tf.distribute.get_strategy())
        accumulating = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
        check_scope(accumulating, tf.distribute.get_strategy())
        with self.assertRaisesRegex(ValueError, "inside `with strategy.scope\\(\\):`"):
            check_scope(outside, strategy)


if __name__ == "__main__":
    tf.test.main()
