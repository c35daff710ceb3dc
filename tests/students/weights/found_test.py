"""Tests of kdcl_tf.students.weights.found."""

import keras
import tensorflow as tf
from keras.applications import imagenet_utils

from kdcl_tf import methods, students
from kdcl_tf.students.weights import found


def _model(first):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(first(images))
    return keras.Model(images, keras.layers.Dense(2, name="logits")(x))


class FoundTest(tf.test.TestCase):
    def test_paths_are_a_students_own_whichever_branch_has_it(self):
        first, second = students.build_branches("resnet8", 3, (8, 8, 3), copies=(2,)).values()
        self.assertEqual(list(found.own_variables(first)), list(found.own_variables(second)))
        self.assertEqual(
            found.plain_path("copy2_stage3_block1_conv1/kernel"), "stage3_block1_conv1/kernel"
        )
        self.assertEqual(found.head_of(second).name, "copy2_logits")

    def test_names_that_keras_numbers_are_those_within_the_model(self):
        for _ in range(3):
            images = keras.Input((8, 8, 3))
            x = keras.layers.Conv2D(2, 3, strides=2)(images)
            model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
        self.assertNotEqual(model.layers[1].name, "conv2d_1")
        given = found.of_model(model)
        paths = ["conv2d_1/kernel", "conv2d_1/bias", "dense_1/kernel", "dense_1/bias"]
        self.assertEqual(list(given.arrays), paths)
        self.assertEqual(given.settings["conv2d_1"]["strides"], (2, 2))

    def test_a_model_that_scales_its_images_itself_is_refused(self):
        for layer in (
            keras.layers.Rescaling(1 / 255),
            keras.layers.Normalization(mean=[0.5] * 3, variance=[0.1] * 3),
        ):
            with self.assertRaisesRegex(ValueError, f"whose layer {layer.name} scales its images"):
                found.of_model(_model(layer))
        self.assertLen(found.of_model(_model(keras.layers.Rescaling(1.0))).arrays, 2)

    def test_a_model_that_computes_with_its_images_before_any_weights_is_refused(self):
        for mode, operation in (("tf", "divide"), ("torch", "divide"), ("caffe", "get_item")):
            model = _model(
                lambda images, mode=mode: imagenet_utils.preprocess_input(images, mode=mode)
            )
            inner = keras.Input((8, 8, 3))
            nested = keras.Model(inner, model(inner))
            for each in (model, nested):
                message = (
                    f"{each.name}, whose operation \\w*{operation}\\w* changes its images before"
                )
                with self.assertRaisesRegex(ValueError, message) as caught:
                    found.check_takes_normalized(each)
                self.assertNotIn("\n", str(caught.exception))

    def test_operations_that_keep_the_numbers_or_follow_weights_are_taken(self):
        for first in (
            lambda images: keras.ops.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]]),
            lambda images: 2.0 * keras.layers.Conv2D(2, 1)(images) - 1.0,
        ):
            self.assertGreaterEqual(len(found.of_model(_model(first)).arrays), 2)
        # Its activations are operations.
        found.check_takes_normalized(students.build("keras:MobileNetV3Small", 2, (32, 32, 3)))

    def test_several_students_are_refused(self):
        def built(*names):
            students_of = {
                f"s{at}": students.build(name, 3, (8, 8, 3)) for at, name in enumerate(names)
            }
            return methods.Independent(students_of)

        branches = students.build_branches("resnet8", 3, (8, 8, 3), copies=(2,)).values()
        first, second = branches
        for model in (
            built("resnet8", "resnet8"),
            built("resnet14", "resnet8"),
            keras.Model(first.input, [first.output, second.output]),
        ):
            message = (
                f"expected one student; got {model.name} with several variables of one name, such"
            )
            with self.assertRaisesRegex(ValueError, message):
                found.of_model(model)
        for each in branches:
            self.assertLen(found.of_model(each).arrays, len(each.variables))


if __name__ == "__main__":
    tf.test.main()
