"""Tests of kdcl_tf.cohort.optimizers.preparation."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort.optimizers.preparation import by_student, one_for_each
from tests.small_cohort import make_students


def _each(**kwargs):
    return {name: keras.optimizers.SGD(rate, **kwargs) for name, rate in (("z", 0.2), ("a", 0.1))}


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

    def test_no_optimizer_is_refused_in_a_line(self):
        cohort = methods.Independent(make_students())
        for optimizer, what in ((None, "optimizer"), ({"z": "sgd", "a": None}, "optimizer of 'a'")):
            with self.assertRaisesRegex(ValueError, f"^{what}: expected a .*Optimizer or .* None"):
                cohort.compile(optimizer)

    def test_a_configuration_is_an_optimizer_as_in_keras(self):
        cohort = methods.Independent(make_students())
        cohort.compile(keras.optimizers.serialize(keras.optimizers.SGD(0.25, momentum=0.5)))
        self.assertEqual(cohort.optimizer.momentum, 0.5)

    def test_other_names_and_shared_objects_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"one for each of \['a', 'b'\]; got keys \['a'\]"):
            by_student({"a": "sgd"}, ("a", "b"))
        shared = keras.optimizers.SGD(0.1)
        with self.assertRaisesRegex(ValueError, "two students share one optimizer object"):
            by_student({"a": shared, "b": shared}, ("a", "b"))


if __name__ == "__main__":
    tf.test.main()
