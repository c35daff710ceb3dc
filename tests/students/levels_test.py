"""Tests of kdcl_tf.students.levels."""

import os

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students

_CIFAR, _IMAGENET = (1, 2, 4), (4, 8, 16, 32)


class FeatureLevelsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("resnet18", _IMAGENET, (64, 128, 256, 512), "stage4_block2_relu2"),
        ("resnet50", _IMAGENET, (256, 512, 1024, 2048), "stage4_block3_relu3"),
        ("mobilenet_v2", _IMAGENET, (24, 32, 96, 320), "stage4_block4_project_norm"),
        ("mobilenet_v2_0.5", _IMAGENET, (16, 16, 48, 160), "stage4_block4_project_norm"),
        ("resnet8", _CIFAR, (16, 32, 64), "stage3_block1_relu2"),
        ("resnet20", _CIFAR, (16, 32, 64), "stage3_block3_relu2"),
        ("wrn_10_1", _CIFAR, (16, 32, 64), "stage3_block1_add"),
        ("wrn_16_2", _CIFAR, (32, 64, 128), "stage3_block2_add"),
    )
    def test_shapes_at_the_levels(self, name, strides, channels, last):
        height, width = 70, 96
        model = students.build(name, 5, (height, width, 3))
        levels = students.feature_levels(model)
        self.assertEqual(tuple(levels), strides)
        self.assertEqual(levels[strides[-1]], last)
        for (stride, layer), count in zip(levels.items(), channels):
            wanted = (None, -(-height // stride), -(-width // stride), count)
            self.assertEqual(model.get_layer(layer).output.shape, wanted)

    def test_what_comes_after_the_last_level_is_the_head(self):
        model = students.build("resnet18", 5, (32, 32, 3))
        last = model.get_layer(students.feature_levels(model)[32])
        self.assertEqual(model.get_layer("pool").input, last.output)

    def test_every_level_gives_the_next(self):
        """No layer of a stage runs after its level: the next stage needs the level alone."""
        model = students.build("mobilenet_v2_0.35", 5, (32, 32, 3))
        images = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
        outputs = [model.get_layer(name).output for name in students.feature_levels(model).values()]
        stems = keras.Model(model.input, outputs)(images)
        for before, after, features, wanted in zip(outputs, outputs[1:], stems, stems[1:]):
            self.assertAllClose(keras.Model(before, after)(features), wanted, atol=1e-5)

    def test_branches_name_their_own_copies(self):
        branches = students.build_branches("resnet18", 5, (32, 32, 3), copies=(2,))
        self.assertEqual(
            students.feature_levels(branches["resnet18_2"]),
            {
                4: "stage1_block2_relu2",
                8: "stage2_block2_relu2",
                16: "stage3_block2_relu2",
                32: "copy2_stage4_block2_relu2",
            },
        )

    def test_a_loaded_model_has_the_same(self):
        model = students.build("resnet8", 5, (8, 8, 3))
        path = os.path.join(self.create_tempdir(), "student.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
        self.assertEqual(students.feature_levels(loaded), students.feature_levels(model))

    def test_another_model_is_refused(self):
        model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()], name="other")
        with self.assertRaisesRegex(ValueError, "model 'other' has no layers named stage1_"):
            students.feature_levels(model)


if __name__ == "__main__":
    tf.test.main()
