"""Tests of kdcl_tf.cohort.optimizers.checks."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.optimizers.checks import check_known, check_owned, check_scope
from tests.small_cohort import make_students


class ChecksTest(tf.test.TestCase):
    def test_a_variable_of_no_student_is_named(self):
        students = make_students()
        check_owned(students["z"].trainable_variables, students)
        other = keras.Variable([1.0], name="projection")
        message = "variable .*projection belongs to no student: expected one optimizer for all"
        with self.assertRaisesRegex(ValueError, message):
            check_owned([*students["z"].variables, other], students)

    def test_a_variable_that_an_optimizer_was_not_built_on_is_named(self):
        known, other = keras.Variable([1.0], name="known"), keras.Variable([1.0], name="other")
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build([known])
        check_known(optimizer, [known])
        for given in (optimizer, keras.optimizers.LossScaleOptimizer(optimizer)):
            with self.assertRaisesRegex(ValueError, "not built for the variable .*other"):
                check_known(given, [known, other])

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
