"""Tests of kdcl_tf.students.constant_channels."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import constant_channels
from tests.students.plain_layers import move_statistics


class ConstantChannelsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters("resnet8", "wrn_10_1")
    def test_a_channel_that_was_always_0_is_its_shift_and_nothing_else_changes(self, name):
        keras.utils.set_random_seed(0)
        student = students.build(name, 10, (8, 8, 3))
        move_statistics(student)
        (norm, *_) = [each for each in student.layers if hasattr(each, "moving_variance")]
        variance = np.array(norm.moving_variance)
        variance[2] = 1e-18
        norm.moving_variance.assign(variance)
        before = [np.array(each) for each in student.variables]
        found = constant_channels.settled(student)
        changed = [
            one.path
            for one, value in zip(found.variables, before, strict=True)
            if not np.array_equal(one, value)
        ]
        self.assertEqual(changed, [f"{norm.name}/gamma"])
        gamma = np.array(found.get_layer(norm.name).gamma)
        self.assertEqual(gamma[2], 0.0)
        self.assertAllEqual(np.delete(gamma, 2), np.delete(np.array(norm.gamma), 2))
        for one, value in zip(student.variables, before, strict=True):
            self.assertAllEqual(one, value)

    def test_it_answers_the_same_where_the_channel_is_constant(self):
        inputs = keras.Input([4, 4, 2])
        norm = keras.layers.BatchNormalization(epsilon=1e-5)
        model = keras.Model(inputs, norm(inputs))
        norm.gamma.assign([2.0, 2.0])
        norm.beta.assign([0.5, 0.25])
        norm.moving_mean.assign([3.0, 1.0])
        norm.moving_variance.assign([0.0, 4.0])
        images = np.random.default_rng(0).normal(size=[3, 4, 4, 2]).astype(np.float32)
        images[..., 0] = 3.0
        self.assertAllClose(constant_channels.settled(model)(images), model(images), atol=1e-6)

    def test_a_model_without_such_channels_is_itself(self):
        student = students.build("resnet8", 10, (8, 8, 3))
        self.assertIs(constant_channels.settled(student), student)
        plain = keras.Sequential([keras.Input([4]), keras.layers.Dense(2)])
        self.assertIs(constant_channels.settled(plain), plain)


if __name__ == "__main__":
    tf.test.main()
