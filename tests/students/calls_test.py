"""Tests of kdcl_tf.students.calls."""

import keras
from absl.testing import absltest

from kdcl_tf.students.calls import calls


def _layers(model):
    return [node.operation.name for node in calls(model).values()]


class CallsTest(absltest.TestCase):
    def test_each_call_comes_once_and_after_what_it_takes(self):
        features = keras.Input((3,), name="features")
        twice = keras.layers.Dense(3, name="twice")
        first = twice(features)
        joined = keras.layers.Add(name="joined")([twice(first), first])
        self.assertEqual(
            _layers(keras.Model(features, joined)), ["features", "twice", "twice", "joined"]
        )

    def test_of_a_sequential_model_and_of_several_outputs(self):
        stack = [keras.layers.Dense(2, name=name) for name in "ab"]
        model = keras.Sequential([keras.Input((3,), name="features"), *stack])
        self.assertEqual(_layers(model), ["features", "a", "b"])
        both = keras.Model(model.inputs, [layer.output for layer in stack])
        self.assertEqual(_layers(both), ["features", "a", "b"])

    def test_a_nested_model_is_one_call(self):
        inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)], name="inner")
        features = keras.Input((3,), name="features")
        self.assertEqual(_layers(keras.Model(features, inner(features))), ["features", "inner"])

    def test_models_that_share_layers_share_calls(self):
        features = keras.Input((3,))
        trunk, head = keras.layers.Dense(3), keras.layers.Dense(2)
        one = keras.Model(features, head(trunk(features)))
        other = keras.Model(features, keras.layers.Dense(2)(one.layers[1].output))
        shared = calls(one).keys() & calls(other).keys()
        self.assertEqual({calls(one)[key].operation for key in shared}, {one.layers[0], trunk})

    def test_a_subclassed_model_is_refused(self):
        class Own(keras.Model):
            def call(self, features):
                return features

        with self.assertRaisesRegex(ValueError, "expected a functional or sequential .* got 'own'"):
            calls(Own(name="own"))


if __name__ == "__main__":
    absltest.main()
