"""Tests of kdcl_tf.methods.branched.gate."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.methods.branched import gate
from tests.branches import IMAGE, tree


def _model(branches):
    first = next(iter(branches.values()))
    return keras.Model(first.input, gate.teacher(branches))


class GateTest(tf.test.TestCase):
    def test_the_gate_sees_the_last_features_that_all_share(self):
        branches = tree((3,), batch_norm=True)
        model = _model(branches)
        features = branches["branch0"].get_layer("trunk_norm").output
        self.assertIs(model.get_layer("gate_pool").input, features)

    def test_in_a_tree_these_are_the_trunks(self):
        model = _model(tree((2, 4)))
        self.assertIs(model.get_layer("gate_pool").input, model.get_layer("trunk").output)

    def test_it_weighs_the_branches_logits(self):
        branches = tree((3,))
        model = _model(branches)
        images = np.random.default_rng(0).normal(size=[5, *IMAGE]).astype(np.float32)
        weights = keras.Model(model.input, model.get_layer("gate_softmax").output)(images)
        self.assertAllClose(tf.reduce_sum(weights, axis=1), np.ones(5), atol=1e-6)
        logits = np.stack([branch(images) for branch in branches.values()], axis=1)
        self.assertAllClose(model(images), np.einsum("bm,bmc->bc", weights, logits), atol=1e-5)

    def test_it_is_float32_over_half_precision(self):
        branches = students.build_branches(
            "resnet8", 10, (8, 8, 3), copies=(3,), dtype="mixed_bfloat16"
        )
        model = _model(branches)
        self.assertEqual(model.output.dtype, "float32")
        self.assertEqual(model.get_layer("gate_logits").compute_dtype, "float32")

    def test_its_statistics_are_those_of_all_replicas(self):
        self.assertTrue(_model(tree((3,))).get_layer("gate_norm").synchronized)

    def test_vectors_are_features_too(self):
        vectors = keras.Input((5,))
        x = keras.layers.Dense(4)(vectors)
        branches = {
            name: keras.Model(vectors, keras.layers.Dense(6, name=name)(x)) for name in "ab"
        }
        self.assertEqual(_model(branches).output.shape, (None, 6))


if __name__ == "__main__":
    tf.test.main()
