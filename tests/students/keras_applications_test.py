"""Tests of kdcl_tf.students.keras_applications."""

import os

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import keras_applications
from tests.students.plain_layers import images, move_statistics

_SMALL = ("keras:MobileNetV3Small", "keras:MobileNet")


class KerasApplicationsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("keras:MobileNetV2", 3_504_872),
        ("keras:ResNet50V2", 25_568_360),
        ("keras:EfficientNetB0", 5_288_548),
        ("keras:MobileNetV3Small", 2_542_856),
    )
    def test_trainable_parameters_with_1000_classes(self, name, count):
        model = students.build(name, 1000, (64, 64, 3))
        self.assertEqual(students.parameter_count(model), count)
        self.assertEqual(model.name, name.replace(":", "_"))
        self.assertEqual(model.output_shape, (None, 1000))

    @parameterized.parameters("MobileNetV2", "ResNet50", "MobileNetV3Small")
    def test_it_computes_what_keras_computes(self, name):
        model = students.build(f"keras:{name}", 7, (64, 64, 3))
        arguments = {"include_preprocessing": False} if "V3" in name else {}
        stock = getattr(keras.applications, name)(
            weights=None,
            classes=7,
            input_shape=(64, 64, 3),
            classifier_activation=None,
            **arguments,
        )
        move_statistics(stock)
        model.set_weights(stock.get_weights())
        wanted = stock(images(model), training=False)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        found = model(images(model), training=False)
        self.assertAllClose(found / scale, wanted / scale, atol=1e-4)

    @parameterized.parameters(*_SMALL, "keras:EfficientNetB0", "keras:EfficientNetV2B0")
    def test_images_are_not_scaled_again(self, name):
        model = students.build(name, 5, (64, 64, 3))
        first = next(each for each in model.layers if hasattr(each, "kernel"))
        features = keras.Model(model.input, first.input)(images(model))
        features = features.numpy()
        # Some pad by zeros before their first convolution.
        self.assertAllClose(features[features != 0].std(), 1.0, atol=0.02)
        self.assertAllClose(features.mean(), 0.0, atol=0.02)

    @parameterized.product(name=_SMALL, dtype=("float32", "mixed_bfloat16"))
    def test_logits_are_float32_under_any_policy(self, name, dtype):
        model = students.build(name, 5, (64, 64, 3), dtype=dtype)
        self.assertEqual(model(images(model)).dtype, tf.float32)
        convolutions = [each for each in model.layers if hasattr(each, "kernel")]
        self.assertEqual(convolutions[0].compute_dtype, keras.DTypePolicy(dtype).compute_dtype)
        self.assertEqual(convolutions[-1].compute_dtype, "float32")
        self.assertEqual(model.layers[-1].compute_dtype, "float32")

    def test_the_global_policy_is_the_default(self):
        before = keras.config.dtype_policy()
        self.addCleanup(keras.config.set_dtype_policy, before)
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = students.build("keras:MobileNet", 5, (32, 32, 3))
        self.assertEqual(model.get_layer("conv1").compute_dtype, "bfloat16")
        self.assertEqual(model.output.dtype, "float32")

    @parameterized.parameters(False, True)
    def test_synchronized_reaches_every_batch_norm(self, synchronized):
        model = students.build("keras:MobileNetV2", 5, (32, 32, 3), synchronized=synchronized)
        norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
        self.assertLen(norms, 52)
        self.assertEqual({type(each) for each in norms}, {students.FusedBatchNormalization})
        self.assertEqual({each.synchronized for each in norms}, {synchronized})

    def test_names_do_not_depend_on_what_was_built_before(self):
        first, second = (
            students.build("keras:InceptionV3", 5, (75, 75, 3), model_name=name) for name in "ab"
        )
        self.assertEqual((first.name, second.name), ("a", "b"))
        self.assertEqual([v.path for v in first.weights], [v.path for v in second.weights])
        self.assertEqual(
            [each.name for each in first.operations], [each.name for each in second.operations]
        )
        self.assertIn("conv2d_1", [each.name for each in first.layers])

    def test_two_have_weights_of_their_own_and_seeds_repeat(self):
        def build(seed):
            keras.utils.set_random_seed(seed)
            return students.build("keras:MobileNet", 5, (32, 32, 3)).get_layer("conv1").kernel

        first, again, other = build(1), build(1), build(2)
        self.assertAllEqual(first, again)
        self.assertNotAllClose(first, other)

    def test_a_keras_file_keeps_it(self):
        model = students.build("keras:MobileNetV3Small", 5, (64, 64, 3), dtype="mixed_bfloat16")
        move_statistics(model)
        path = os.path.join(self.create_tempdir(), "student.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
        self.assertAllEqual(loaded(images(model)), model(images(model)))

    def test_images_that_keras_refuses_are_one_line(self):
        with self.assertRaises(ValueError) as caught:
            students.build("keras:InceptionV3", 5, (32, 32, 3))
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        self.assertRegex(
            message,
            r"student 'keras:InceptionV3' cannot be built for images of \(32, 32, 3\): "
            r"Input size must be at least 75x75; .* resize the images",
        )

    @parameterized.parameters("vgg16", "preprocess_input", "ResNet51")
    def test_what_is_no_classifier_is_refused(self, name):
        message = f"unknown student 'keras:{name}': wanted a classifier of keras.applications"
        with self.assertRaisesRegex(ValueError, f"{message}; the nearest are keras:"):
            students.build(f"keras:{name}", 5, (32, 32, 3))
        # Also where its name could not be checked before Keras was imported.
        with self.assertRaisesRegex(ValueError, f"{message} of Keras"):
            keras_applications.build(
                name, 5, (32, 32, 3), synchronized=False, dtype=None, name="student"
            )


if __name__ == "__main__":
    tf.test.main()
