"""Tests of the configuration, weights and files of kdcl_tf.students.normalization."""

import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.students.normalization import FusedBatchNormalization

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


if __name__ == "__main__":
    tf.test.main()
