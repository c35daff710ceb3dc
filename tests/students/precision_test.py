"""Tests of kdcl_tf.students.precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import precision

layers = keras.layers
_IMAGE = (8, 8, 3)


@keras.saving.register_keras_serializable(package="precision_test")
class _Block(layers.Layer):
    """Has an inner layer of Keras's default policy, and a weight that it does not use."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.inner = layers.Conv2D(filters, 3)

    def build(self, shape):
        self.inner.build(shape)
        self.scale = self.add_weight(shape=(self.filters,), name="scale")
        self.unused = self.add_weight(shape=(2,), name="unused")

    def call(self, x):
        return self.inner(x) * self.scale

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class _Subclass(keras.Model):
    def __init__(self, dtype):
        super().__init__(name="mine", dtype=dtype)
        self.dense = layers.Dense(4, dtype=dtype)

    def call(self, x):
        return self.dense(x)


class _Overridden(keras.Model):
    """A graph of layers, and more than that."""

    def call(self, x, training=False):
        return 2.0 * super().call(x, training=training)


def _nested(dtype):
    """Models in a model, one of them and one layer used twice, operations and inner layers."""
    images = keras.Input(_IMAGE)
    stem = keras.Model(images, layers.Conv2D(4, 3, dtype=dtype)(images))
    convolution = layers.Conv2D(4, 3, padding="same", dtype=dtype)
    stage = keras.Sequential(
        [keras.Input((6, 6, 4)), convolution, layers.BatchNormalization(dtype=dtype)]
    )
    images = keras.Input(_IMAGE)
    x = stage(stage(stem(images)))
    shared = layers.Dense(4, dtype=dtype)
    x = keras.ops.relu(shared(shared(x)) + 1.0)
    x = layers.TimeDistributed(layers.Dense(4, dtype=dtype), dtype=dtype)(x)
    # By a global name, which Keras's own reading of a lambda would have lost.
    x = layers.Lambda(lambda values: tf.nn.tanh(values), dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(dtype=dtype)(x)
    return keras.Model(images, layers.Dense(10, dtype="float32")(x))


def _regularised(dtype):
    """Random layers with seeds, attention, and constants that are made of weights."""
    images = keras.Input(_IMAGE)
    normalization = layers.Normalization(dtype=dtype)
    normalization.adapt(np.random.default_rng(0).random((16, *_IMAGE), np.float32))
    x = layers.RandomFlip(dtype=dtype)(normalization(images))
    x = layers.GaussianNoise(0.1, dtype=dtype)(x)
    x = layers.Dropout(0.5, dtype=dtype)(layers.Conv2D(4, 3, dtype=dtype)(x))
    x = layers.Reshape((36, 4), dtype=dtype)(x)
    x = layers.MultiHeadAttention(2, 4, dtype=dtype)(x, x)
    x = layers.GlobalAveragePooling1D(dtype=dtype)(x)
    return keras.Model(images, layers.Dense(10, dtype="float32")(x))


def _own_layer(dtype):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        images = keras.Input(_IMAGE)
        return keras.Model(images, layers.Dense(10)(layers.Flatten()(_Block(4)(images))))
    finally:
        keras.config.set_dtype_policy(before)


def _sequential(dtype):
    model = keras.Sequential(
        [keras.Input(_IMAGE, dtype="bfloat16"), layers.Flatten(dtype=dtype)]
        + [layers.Dense(10, dtype=dtype)]
    )
    # What it was compiled with cannot be serialised, and is not needed.
    model.compile("sgd", loss=lambda labels, logits: 0.0)
    return model


def _outputs(model):
    images = np.random.default_rng(2).random((5, *_IMAGE), np.float32)
    return np.asarray(model(images, training=False), np.float32)


class PrecisionTest(tf.test.TestCase, parameterized.TestCase):
    def assert_as_built_in_float32(self, build, dtype):
        keras.utils.set_random_seed(0)
        model = build(dtype)
        before = [weight.numpy() for weight in model.weights]
        copy = precision.in_float32(model)
        self.assertIsNot(copy, model)
        self.assertTrue(precision.is_float32(copy))
        self.assertFalse(precision.is_float32(model))
        wanted = build("float32")
        wanted.set_weights(before)
        for layer in wanted.layers:
            if isinstance(layer, layers.Normalization):
                layer.finalize_state()
        self.assertAllEqual(_outputs(copy), _outputs(wanted))
        # It is another model, and close to the one it was made of, which is as it was.
        self.assertAllClose(_outputs(copy), _outputs(model), atol=0.05, rtol=0.05)
        for weight, value in zip(model.weights, before, strict=True):
            self.assertAllEqual(weight, value)

    @parameterized.product(
        name=["resnet8", "wrn_10_1", "keras:MobileNetV3Small"],
        dtype=["mixed_bfloat16", "bfloat16"],
    )
    @pytest.mark.slow
    def test_students_are_bitwise_those_built_in_float32(self, name, dtype):
        def build(dtype):
            return students.build(name, 10, (32, 32, 3) if "keras" in name else _IMAGE, dtype=dtype)

        if "keras" in name:
            model = build(dtype)
            copy, wanted = precision.in_float32(model), build("float32")
            wanted.set_weights(model.get_weights())
            images = np.random.default_rng(2).random((2, 32, 32, 3), np.float32)
            self.assertAllEqual(copy(images, training=False), wanted(images, training=False))
        else:
            self.assert_as_built_in_float32(build, dtype)

    @parameterized.product(
        build=[_nested, _own_layer], dtype=["mixed_bfloat16", "bfloat16", "mixed_float16"]
    )
    def test_models_of_ones_own(self, build, dtype):
        self.assert_as_built_in_float32(build, dtype)

    @parameterized.parameters("mixed_bfloat16", "float64")
    def test_random_layers_and_constants(self, dtype):
        self.assert_as_built_in_float32(_regularised, dtype)

    def test_a_compiled_sequential_model_with_an_input_of_bfloat16(self):
        model = _sequential("bfloat16")
        copy = precision.in_float32(model)
        self.assertEqual([each.dtype for each in copy.inputs], ["float32"])
        self.assertTrue(precision.is_float32(copy))
        self.assertAllClose(_outputs(copy), _outputs(model), atol=0.05)

    def test_a_layer_of_another_type_among_float32_ones(self):
        images = keras.Input(_IMAGE)
        x = layers.Flatten(dtype="float32")(images)
        model = keras.Model(images, layers.Dense(3, dtype="bfloat16")(x))
        self.assertTrue(precision.is_float32(precision.in_float32(model)))

    def test_students_that_share_layers(self):
        branches = students.build_branches(
            "resnet8", 10, _IMAGE, copies=(2,), dtype="mixed_bfloat16"
        )
        for name, student in branches.items():
            copy = precision.in_float32(student)
            self.assertEqual(copy.name, name)
            self.assertLen(copy.weights, len(student.weights))
            self.assertAllClose(_outputs(copy), _outputs(student), atol=0.05, rtol=0.05)

    @parameterized.parameters(_Subclass, lambda dtype: students.build("resnet8", 4, _IMAGE))
    def test_float32_models_of_any_kind_are_given_back(self, build):
        model = build("float32")
        model(np.zeros((1, *_IMAGE), np.float32))
        self.assertIs(precision.in_float32(model), model)

    def test_models_that_cannot_be_built_again_are_refused_in_one_line(self):
        images = keras.Input(_IMAGE)
        outputs = layers.Dense(4, dtype="bfloat16")(images)
        for model in (_Subclass("mixed_bfloat16"), _Overridden(images, outputs, name="mine")):
            model(np.zeros((1, *_IMAGE), np.float32))
            with self.assertRaisesRegex(
                ValueError,
                "^student 'mine' cannot be exported in float32: expected a functional or .* got "
                f"{type(model).__name__}: mine has code of its own .* build it in float32",
            ) as caught:
                precision.in_float32(model)
            self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(keras.config.dtype_policy().name, "float32")


if __name__ == "__main__":
    tf.test.main()
