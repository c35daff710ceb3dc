"""Tests of kdcl_tf.cohort.optimizers.loss_scales."""

import keras
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from tests.small_cohort import CohortTestCase, compiled, fit, make_student


def _each(**kwargs):
    return {name: keras.optimizers.SGD(rate, **kwargs) for name, rate in (("z", 0.2), ("a", 0.1))}


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


if __name__ == "__main__":
    tf.test.main()
