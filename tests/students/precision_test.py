"""Tests of kdcl_tf.students.precision."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students.precision import in_float32


def _build(name, dtype):
    keras.utils.set_random_seed(1)
    return students.build(name, 10, (32, 32, 3), dtype=dtype)


def _images():
    return tf.constant(np.random.default_rng(0).normal(size=[2, 32, 32, 3]), tf.float32)


class _Subclassed(keras.Model):
    """A classifier that Keras cannot copy."""

    def __init__(self, dtype):
        super().__init__(dtype=dtype, name="subclassed")
        self.head = keras.layers.Dense(3, dtype=dtype)

    def call(self, images):
        return self.head(keras.ops.mean(images, axis=(1, 2)))


class InFloat32Test(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(
        name=("resnet8", "wrn_10_1", "mobilenet_v2_0.5", "keras:MobileNetV3Small"),
        dtype=("mixed_bfloat16", "mixed_float16"),
    )
    def test_a_copy_is_bitwise_a_student_built_in_float32(self, name, dtype):
        copy = in_float32(_build(name, dtype))
        self.assertAllEqual(copy(_images()), _build(name, "float32")(_images()))
        self.assertEqual({layer.compute_dtype for layer in copy.layers}, {"float32"})

    def test_a_float32_student_is_given_back_itself(self):
        plain, subclassed = _build("resnet8", None), _Subclassed("float32")
        subclassed(_images())
        for student in (plain, subclassed):
            self.assertIs(in_float32(student), student)

    def test_nested_models_and_wrapped_layers_are_copied_too(self):
        images = keras.Input([32, 32, 3])
        x = keras.layers.Rescaling(0.5, dtype="float32")(images)
        x = _build("resnet8", "mixed_bfloat16")(x)
        x = keras.layers.Reshape([2, 5], dtype="mixed_bfloat16")(x)
        dense = keras.layers.Dense(3, dtype="mixed_bfloat16")
        x = keras.layers.TimeDistributed(dense, dtype="mixed_bfloat16")(x)
        model = keras.Model(images, keras.layers.Flatten()(x))
        copy = in_float32(model)
        wrapped = next(each for each in copy.layers if hasattr(each, "layer"))
        nested = next(each for each in copy.layers if isinstance(each, keras.Model))
        for layer in (wrapped, wrapped.layer, *nested.layers):
            self.assertEqual(layer.compute_dtype, "float32")
        self.assertAllClose(copy(_images()), model(_images()), atol=0.1)

    def test_the_global_policy_is_neither_used_nor_changed(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            student = _build("resnet8", None)
            copy = in_float32(student)
            self.assertEqual(keras.config.dtype_policy().name, "mixed_bfloat16")
        finally:
            keras.config.set_dtype_policy("float32")
        self.assertEqual((student.compute_dtype, copy.compute_dtype), ("bfloat16", "float32"))
        self.assertAllEqual(copy(_images()), _build("resnet8", "float32")(_images()))

    def test_a_subclassed_model_in_half_precision_is_refused(self):
        student = _Subclassed("mixed_bfloat16")
        student(_images())
        with self.assertRaisesRegex(ValueError, "'subclassed' computes in half precision and .*"):
            in_float32(student)


if __name__ == "__main__":
    tf.test.main()
