"""Tests of kdcl_tf.detection.model.feature_pyramid."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import feature_pyramid
from tests.detection import small_scenes


def _levels(*strides):
    """A backbone whose levels are means of pixels."""
    images = keras.Input([None, None, 3])
    return keras.Model(
        images,
        {str(stride): keras.layers.AveragePooling2D(stride)(images) for stride in strides},
        name="means",
    )


def _images(height=32, width=64):
    return tf.random.stateless_normal([2, height, width, 3], [0, 0])


def _identity_weights(pyramid):
    """Lateral layers that keep the three channels, outputs that are what is below them."""
    for weight in pyramid.weights:
        value = np.zeros(weight.shape)
        if weight.path.endswith("kernel"):
            value[value.shape[0] // 2, value.shape[1] // 2] = np.eye(3)
        weight.assign(value)


class StridesOfTest(parameterized.TestCase):
    @parameterized.parameters((4, 8, 16, 32), (1, 2, 4), (8,))
    def test_they_rise_in_whatever_order_they_come(self, *strides):
        backbone = _levels(*reversed(strides))
        self.assertEqual(feature_pyramid.strides_of(backbone), list(strides))

    @parameterized.parameters((4, 16), (4, 12), (3, 6), (4, 8, 32))
    def test_others_are_refused_in_one_line(self, *strides):
        message = r"backbone 'means': expected levels at strides that are powers of two.*; got \["
        with self.assertRaisesRegex(ValueError, message) as caught:
            feature_pyramid.build(_levels(*strides), channels=3)
        self.assertNotIn("\n", str(caught.exception))


class BuildTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(((4, 8, 16),), ((1, 2, 4),), ((8,),))
    def test_shapes(self, strides):
        pyramid = feature_pyramid.build(_levels(*strides), channels=5)
        shapes = {name: each.shape.as_list() for name, each in pyramid(_images()).items()}
        expected = (*strides, 2 * strides[-1])
        self.assertEqual(shapes, {str(each): [2, 32 // each, 64 // each, 5] for each in expected})

    def test_a_last_level_of_odd_size_is_rounded_up(self):
        pyramid = feature_pyramid.build(_levels(4, 8), channels=5)
        found = pyramid(_images(24, 40))
        self.assertEqual(found["16"].shape, [2, 2, 3, 5])
        self.assertAllEqual(found["16"], found["8"][:, ::2, ::2])

    def test_every_level_adds_those_above_it(self):
        pyramid = feature_pyramid.build(_levels(4, 8, 16), channels=3)
        _identity_weights(pyramid)
        images = _images()
        own = {each: np.array(tf.nn.avg_pool2d(images, each, each, "VALID")) for each in (4, 8, 16)}

        def enlarged(features):
            return features.repeat(2, axis=1).repeat(2, axis=2)

        found = pyramid(images)
        self.assertAllClose(found["16"], own[16], atol=1e-5)
        self.assertAllClose(found["8"], own[8] + enlarged(own[16]), atol=1e-5)
        expected = own[4] + enlarged(own[8] + enlarged(own[16]))
        self.assertAllClose(found["4"], expected, atol=1e-5)
        self.assertAllClose(found["32"], own[16][:, ::2, ::2], atol=1e-5)

    def test_its_parameters_are_those_of_the_paper(self):
        backbone = small_scenes.backbone()
        pyramid = feature_pyramid.build(backbone, channels=16)
        own = pyramid.count_params() - backbone.count_params()
        self.assertEqual(own, (6 + 1) * 16 + (8 + 1) * 16 + 2 * (9 * 16 + 1) * 16)

    def test_the_backbone_is_trained_with_it(self):
        backbone = small_scenes.backbone()
        pyramid = feature_pyramid.build(backbone, channels=4)
        with tf.GradientTape() as tape:
            total = sum(tf.reduce_sum(each**2) for each in pyramid(_images()).values())
        gradients = tape.gradient(total, backbone.trainable_variables)
        for gradient in gradients:
            self.assertGreater(np.abs(gradient).max(), 0.0)
        self.assertLen(pyramid.trainable_variables, len(gradients) + 8)

    def test_the_backbone_is_found_again(self):
        for strides in ((8, 4), (4, 8, 16), (8,)):
            backbone = _levels(*strides)
            found = feature_pyramid.backbone_of(feature_pyramid.build(backbone, channels=3))
            self.assertEqual(feature_pyramid.strides_of(found), sorted(strides))
            for stride, features in backbone(_images()).items():
                self.assertAllEqual(found(_images())[stride], features)

    def test_mixed_precision_computes_in_bfloat16(self):
        pyramid = feature_pyramid.build(_levels(4, 8), channels=3, dtype="mixed_bfloat16")
        exact = feature_pyramid.build(_levels(4, 8), channels=3)
        exact.set_weights(pyramid.get_weights())
        expected = exact(_images())
        for name, found in pyramid(_images()).items():
            self.assertEqual(found.dtype, tf.bfloat16)
            self.assertAllClose(tf.cast(found, tf.float32), expected[name], atol=0.1)
        self.assertEqual({weight.dtype for weight in pyramid.weights}, {"float32"})


if __name__ == "__main__":
    tf.test.main()
