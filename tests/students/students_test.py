"""Tests of kdcl_tf.students: build, validate, parameter_count."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students


def _images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


class BuildTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(0)

    @parameterized.product(
        name=["resnet8", "wrn_10_2"],
        input_shape=[(32, 32, 3), (8, 8, 1), (4, 4, 3), (9, 7, 2), (64, 48, 4)],
    )
    def test_any_size_and_any_channels(self, name, input_shape):
        model = students.build(name, 7, input_shape)
        logits = model(_images(2, *input_shape))
        self.assertEqual(logits.shape, (2, 7))
        self.assertAllEqual(tf.math.is_finite(logits), tf.ones_like(logits, tf.bool))

    @parameterized.product(
        name=["resnet18", "resnet50", "mobilenet_v2_0.35"],
        input_shape=[(32, 32, 1), (33, 47, 4)],
    )
    @pytest.mark.slow
    def test_any_size_from_32_pixels_for_those_of_imagenet(self, name, input_shape):
        model = students.build(name, 7, input_shape)
        logits = model(_images(2, *input_shape))
        self.assertEqual(logits.shape, (2, 7))
        self.assertAllEqual(tf.math.is_finite(logits), tf.ones_like(logits, tf.bool))

    def test_it_gives_logits_not_probabilities(self):
        model = students.build("resnet8", 10)
        self.assertEqual(model.layers[-1].activation, keras.activations.linear)
        logits = model(_images(4, 32, 32, 3))
        self.assertNotAllClose(tf.reduce_sum(logits, axis=-1), tf.ones([4]))

    def test_initial_logits_are_of_moderate_size(self):
        for name in ("resnet20", "wrn_16_2", "resnet18", "resnet50", "mobilenet_v2"):
            logits = students.build(name, 10)(_images(8, 32, 32, 3), training=True)
            self.assertBetween(float(tf.math.reduce_std(logits)), 0.05, 20.0)

    @parameterized.parameters("resnet8", "wrn_10_1", "resnet18", "resnet50", "mobilenet_v2")
    def test_every_layer_has_a_name_of_its_own_and_no_regularizer(self, name):
        model = students.build(name, 10)
        names = [layer.name for layer in model.layers]
        self.assertLen(set(names), len(names))
        for layer_name in names:
            self.assertRegex(layer_name, r"^(images|pool|logits|(stem|head|stage\d_block\d)_\w+)$")
        self.assertEmpty(model.losses)

    def test_model_name(self):
        self.assertEqual(students.build("resnet8", 10).name, "resnet8")
        self.assertEqual(students.build("resnet8", 10, model_name="left").name, "left")

    @parameterized.parameters(
        ("resnet8", 16, True),
        ("wrn_10_1", 16, True),
        # So deep that statistics of 8 images of one pixel would amplify the rounding.
        ("resnet18", 64, False),
        ("mobilenet_v2_0.35", 64, False),
    )
    def test_mixed_precision(self, name, size, training):
        exact = students.build(name, 10, (size, size, 3))
        mixed = students.build(name, 10, (size, size, 3), dtype="mixed_bfloat16")
        mixed.set_weights(exact.get_weights())
        images = _images(8, size, size, 3)
        wanted = exact(images, training=training)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        logits = mixed(images, training=training)
        self.assertEqual(logits.dtype, tf.float32)
        self.assertAllClose(logits / scale, wanted / scale, atol=0.1)
        self.assertEqual({weight.dtype for weight in mixed.weights}, {"float32"})
        self.assertEqual(
            {each.compute_dtype for each in mixed.layers if each.name.startswith("stage")},
            {"bfloat16"},
        )
        self.assertEqual(mixed.get_layer("logits").compute_dtype, "float32")

    def test_dtype_may_be_a_policy_and_defaults_to_the_global_one(self):
        policy = keras.DTypePolicy("mixed_bfloat16")
        model = students.build("resnet8", 10, dtype=policy)
        self.assertEqual(model.get_layer("stem_conv").compute_dtype, "bfloat16")
        before = keras.config.dtype_policy()
        self.addCleanup(keras.config.set_dtype_policy, before)
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = students.build("resnet8", 10)
        self.assertEqual(model.get_layer("stem_conv").compute_dtype, "bfloat16")
        self.assertEqual(model.get_layer("logits").compute_dtype, "float32")

    def test_synchronized_reaches_every_batch_norm(self):
        for name, count in (("wrn_10_1", 7), ("resnet18", 20), ("mobilenet_v2", 52)):
            for synchronized in (False, True):
                model = students.build(name, 10, synchronized=synchronized)
                norms = [n for n in model.layers if isinstance(n, students.FusedBatchNormalization)]
                self.assertLen(norms, count)
                self.assertEqual({norm.synchronized for norm in norms}, {synchronized})

    def test_the_same_seed_gives_the_same_weights(self):
        def build(seed):
            keras.utils.set_random_seed(seed)
            return students.build("resnet8", 10).get_weights()

        first, second, other = build(1), build(1), build(2)
        for a, b in zip(first, second, strict=True):
            self.assertAllEqual(a, b)
        self.assertNotAllClose(first[0], other[0])

    def test_the_name_is_checked(self):
        with self.assertRaisesRegex(ValueError, "the nearest are resnet32 and resnet34"):
            students.build("resnet33", 100)

    @parameterized.parameters("resnet8", "mobilenet_v2", "keras:VGG16")
    def test_sizes_are_checked(self, name):
        with self.assertRaisesRegex(ValueError, "num_classes must be an integer of 2 or more; got"):
            students.build(name, 1)
        with self.assertRaisesRegex(ValueError, "must be three positive integers .*; got"):
            students.build(name, 10, (32, 32))

    def test_numpy_integers_are_integers(self):
        model = students.build("resnet8", np.int64(5), (np.int32(8), np.int64(8), 3))
        self.assertEqual(model.output_shape, (None, 5))

    def test_an_image_too_small_is_refused(self):
        with self.assertRaisesRegex(ValueError, r"4 or more.*got \(32, 3, 3\)"):
            students.build("resnet8", 10, (32, 3, 3))
        with self.assertRaisesRegex(ValueError, r"32 or more.*got \(31, 32, 3\)"):
            students.build("resnet18", 10, (31, 32, 3))


class TrainingAndSavingTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters("resnet8", "wrn_10_1")
    def test_it_learns(self, name):
        keras.utils.set_random_seed(0)
        model = students.build(name, 2, (8, 8, 1))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
        labels = np.arange(64) % 2
        images = _images(64, 8, 8, 1) + 2.0 * labels[:, None, None, None]
        model.fit(images, labels, batch_size=32, epochs=15, verbose=0)
        self.assertGreater(model.evaluate(images, labels, verbose=0)[1], 0.95)

    @parameterized.parameters("resnet8", "wrn_10_1", "resnet18", "mobilenet_v2_0.35")
    def test_keras_file_round_trip(self, name):
        model = students.build(name, 10, (32, 32, 3), dtype="mixed_bfloat16")
        images = _images(4, 32, 32, 3)
        model(images, training=True)  # Moves the statistics, so that they are seen to be saved.
        path = os.path.join(self.create_tempdir(), "student.keras")
        model.save(path)
        self.assertAllEqual(keras.saving.load_model(path)(images), model(images))

    def test_weights_of_stock_batch_norm_fit(self):
        model = students.build("resnet8", 10, (8, 8, 3))

        def stock(layer):
            if isinstance(layer, students.FusedBatchNormalization):
                return keras.layers.BatchNormalization.from_config(layer.get_config())
            return layer.__class__.from_config(layer.get_config())

        twin = keras.models.clone_model(model, clone_function=stock)
        twin.set_weights(model.get_weights())
        images = _images(4, 8, 8, 3)
        self.assertAllClose(twin(images), model(images), atol=1e-5)
        self.assertAllClose(twin(images, training=True), model(images, training=True), atol=1e-4)


class ParameterCountTest(tf.test.TestCase):
    def test_trainable_only(self):
        layer = keras.layers.BatchNormalization()
        layer.build((None, 5))
        self.assertEqual(students.parameter_count(layer), 10)
        layer.trainable = False
        self.assertEqual(students.parameter_count(layer), 0)


if __name__ == "__main__":
    tf.test.main()
