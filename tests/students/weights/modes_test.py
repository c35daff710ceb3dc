"""Tests of kdcl_tf.students.weights.modes, against what Keras does to pixels."""

import importlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.serving.weight_sources import normalization_of
from kdcl_tf.students import names
from kdcl_tf.students.weights import modes

# Black, white and three colours.
_PIXELS = np.array(
    [[[0, 0, 0], [255, 255, 255]], [[200, 30, 10], [20, 210, 90]], [[5, 60, 250], [128, 127, 1]]],
    np.uint8,
)
_BY_FUNCTION = {
    "ResNet50": "resnet",
    "ResNet50V2": "resnet_v2",
    "VGG16": "vgg16",
    "DenseNet121": "densenet",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "Xception": "xception",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "NASNetMobile": "nasnet",
}


class ModesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*_BY_FUNCTION.items())
    def test_it_is_what_keras_preprocesses_by(self, classifier, module):
        function = importlib.import_module(f"keras.applications.{module}").preprocess_input
        wanted = function(_PIXELS.astype(np.float32)[None])[0]
        found = normalization_of(modes.mode_of(classifier)).apply(_PIXELS)
        self.assertAllClose(found, wanted, atol=1e-4, rtol=1e-4)

    @parameterized.parameters(
        "MobileNetV3Small", "EfficientNetV2B0", "EfficientNetV2S", "ConvNeXtTiny"
    )
    def test_it_is_what_layers_of_the_classifier_compute(self, classifier):
        model = getattr(keras.applications, classifier)(
            weights=None, include_top=False, input_shape=(32, 32, 3), include_preprocessing=True
        )
        x = keras.ops.convert_to_tensor(_PIXELS.astype(np.float32)[None])
        for layer in model.layers[1:]:
            if not isinstance(layer, (keras.layers.Rescaling, keras.layers.Normalization)):
                break
            x = layer(x)
        self.assertNotAllClose(x[0], _PIXELS)
        found = normalization_of(modes.mode_of(classifier)).apply(_PIXELS)
        self.assertAllClose(found, x[0], atol=1e-4, rtol=1e-4)

    def test_every_classifier_has_one(self):
        self.assertGreater(len(names.keras_classifiers()), 30)
        for classifier in names.keras_classifiers():
            self.assertIsNotNone(normalization_of(modes.mode_of(classifier)), classifier)
        with self.assertRaisesRegex(ValueError, "keras:Strange: expected a classifier"):
            modes.mode_of("Strange")


if __name__ == "__main__":
    tf.test.main()
