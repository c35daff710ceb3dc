"""Tests of the configuration, weights and files of kdcl_tf.students.normalization."""

import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students.normalization import FusedBatchNormalization, with_stock_normalization
from tests.students.plain_layers import move_statistics

_SHAPE = (6, 5, 4, 3)


def _batch():
    return tf.constant(np.random.default_rng(0).normal(size=_SHAPE), tf.float32)


def _pair(**config):
    """Our layer and the stock one, built with the same configuration."""
    layers = FusedBatchNormalization(**config), keras.layers.BatchNormalization(**config)
    for layer in layers:
        layer.build((None, *_SHAPE[1:]))
    return layers


class SavingTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters({}, {"scale": False}, {"center": False})
    def test_weights_fit_both_ways(self, **config):
        layer, stock = _pair(**config)
        self.assertEqual([w.name for w in layer.weights], [w.name for w in stock.weights])
        self.assertEqual([w.shape for w in layer.weights], [w.shape for w in stock.weights])
        changed = [weight + 0.25 for weight in layer.get_weights()]
        layer.set_weights(changed)
        stock.set_weights(layer.get_weights())
        self.assertAllClose(layer(_batch()), stock(_batch()), atol=1e-5)

    def test_config_fits_both_ways(self):
        config = {"momentum": 0.8, "epsilon": 1e-4, "synchronized": True, "name": "norm"}
        layer, stock = _pair(**config)
        self.assertEqual(layer.get_config(), stock.get_config())
        ours = FusedBatchNormalization.from_config(stock.get_config())
        theirs = keras.layers.BatchNormalization.from_config(layer.get_config())
        self.assertEqual(ours.get_config(), theirs.get_config())

    def test_registered_name(self):
        serialized = keras.saving.serialize_keras_object(FusedBatchNormalization())
        self.assertEqual(serialized["registered_name"], "kdcl_tf>FusedBatchNormalization")
        layer = keras.saving.deserialize_keras_object(serialized)
        self.assertIsInstance(layer, FusedBatchNormalization)

    def _model(self):
        images = keras.Input(_SHAPE[1:])
        model = keras.Model(images, FusedBatchNormalization(momentum=0.5)(images))
        model(_batch(), training=True)
        return model

    def test_keras_file_round_trip(self):
        model = self._model()
        path = os.path.join(self.create_tempdir(), "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
        self.assertIsInstance(loaded.layers[-1], FusedBatchNormalization)
        self.assertAllEqual(loaded(_batch()), model(_batch()))

    def test_saved_model_needs_only_tensorflow(self):
        model = self._model()
        folder = self.create_tempdir().full_path
        model.export(os.path.join(folder, "model"), verbose=False)
        np.save(os.path.join(folder, "inputs.npy"), _batch())
        program = (
            "import sys; sys.modules['kdcl_tf'] = sys.modules['keras'] = None; "  # Not importable.
            "import numpy as np, tensorflow as tf; "
            "model = tf.saved_model.load('model'); "
            "np.save('outputs.npy', model.serve(np.load('inputs.npy')))"
        )
        subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
        outputs = np.load(os.path.join(folder, "outputs.npy"))
        self.assertAllClose(outputs, model(_batch()), atol=1e-6)


class StockNormalizationTest(tf.test.TestCase, parameterized.TestCase):
    def _assert_same(self, model, copy):
        """Of the same outputs to rounding, and with none of our layers."""
        self.assertNotIn("kdcl_tf", str(keras.saving.serialize_keras_object(copy)))
        images = np.random.default_rng(1).normal(size=(3, *model.input_shape[1:]))
        wanted = model(images.astype(np.float32), training=False)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        self.assertGreater(scale, 0.0)
        found = copy(images.astype(np.float32), training=False)
        self.assertAllClose(found / scale, wanted / scale, rtol=0.0, atol=2e-6)

    @parameterized.parameters(
        "resnet8", "wrn_10_1", "resnet18", "mobilenet_v2_0.5", "keras:MobileNetV3Small"
    )
    def test_a_student_of_each_family(self, name):
        model = students.build(name, 10, (32, 32, 3))
        move_statistics(model)
        copy = with_stock_normalization(model)
        self._assert_same(model, copy)
        self.assertEqual([each.name for each in copy.layers], [each.name for each in model.layers])

    def test_branches_that_share_layers(self):
        branches = students.build_branches("resnet8", 10, (8, 8, 3), copies=(2,))
        for model in branches.values():
            move_statistics(model)
            self._assert_same(model, with_stock_normalization(model))

    def test_what_the_layer_was_made_with_is_kept(self):
        made = {"momentum": 0.7, "epsilon": 1e-4, "synchronized": True, "center": False}
        images = keras.Input(_SHAPE[1:])
        ours = FusedBatchNormalization(**made, dtype="mixed_bfloat16", trainable=False, name="norm")
        model = keras.Model(images, ours(images))
        copy = with_stock_normalization(model)
        layer = copy.get_layer("norm")
        self.assertIs(type(layer), keras.layers.BatchNormalization)
        self.assertEqual(layer.get_config(), ours.get_config())
        self.assertIsInstance(model.get_layer("norm"), FusedBatchNormalization)

    def test_layers_within_models_and_wrappers(self):
        frames = keras.Input((2, *_SHAPE[1:]))
        inner = keras.Sequential([keras.Input(_SHAPE[1:]), FusedBatchNormalization()])
        x = keras.layers.TimeDistributed(FusedBatchNormalization())(frames)
        x = keras.layers.TimeDistributed(inner)(x)
        x = keras.layers.Lambda(lambda x: 2.0 * x)(keras.ops.mean(x, axis=1))
        model = keras.Model(frames, x)
        move_statistics(model)
        model.compile("sgd", "mse")
        copy = with_stock_normalization(model)
        self.assertFalse(copy.compiled)
        self._assert_same(model, copy)

    def test_a_model_without_our_layer_is_given_back(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
        self.assertIs(with_stock_normalization(model), model)

    def test_what_keras_cannot_build_again_is_refused_in_one_line(self):
        class Own(keras.Model):
            def __init__(self, layer):
                super().__init__(name="own")
                self.norm = layer

            def call(self, images):
                return self.norm(images)

        with self.assertRaisesRegex(
            ValueError,
            "^student 'own' cannot be written in Keras's own layers: .* got Own: [^\n]*$",
        ):
            with_stock_normalization(Own(FusedBatchNormalization()))


if __name__ == "__main__":
    tf.test.main()
