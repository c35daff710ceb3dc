"""Tests of kdcl_tf.cohort.optimizers."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.optimizers import by_student, check_scope


class StudentOptimizersTest(tf.test.TestCase):
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
        with self.assertRaisesRegex(ValueError, "inside `with strategy.scope\\(\\):`"):
            check_scope(outside, strategy)


if __name__ == "__main__":
    tf.test.main()
