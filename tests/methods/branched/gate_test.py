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

    def test_a_layer_that_each_branch_calls_for_itself_is_not_shared_features(self):
        images = keras.Input(IMAGE)
        trunk = keras.layers.Conv2D(4, 3, name="trunk")(images)
        pool, relu = keras.layers.GlobalAveragePooling2D(), keras.layers.ReLU()
        branches = {}
        for name in "ab":
            own = relu(keras.layers.Conv2D(5, 3, name=f"own_{name}")(trunk))
            branches[name] = keras.Model(images, keras.layers.Dense(6)(pool(own)))
        model = _model(branches)
        self.assertIs(model.get_layer("gate_pool").input, trunk)
        weights = keras.Model(images, model.get_layer("gate_softmax").output)
        examples = np.random.default_rng(0).normal(size=[5, *IMAGE]).astype(np.float32)
        before = weights(examples)
        for name in "ab":
            kernel = model.get_layer(f"own_{name}").kernel
            kernel.assign(3 * kernel)
        self.assertAllEqual(weights(examples), before)

    def test_of_a_layer_called_twice_in_the_trunk_the_last_call_counts(self):
        images = keras.Input(IMAGE)
        layer = keras.layers.Conv2D(IMAGE[-1], 3, padding="same")
        last = layer(layer(images))
        flat = keras.layers.Flatten()
        branches = {
            name: keras.Model(images, keras.layers.Dense(6, name=name)(flat(last))) for name in "ab"
        }
        # The branches share nothing of their own calls of Flatten.
        self.assertIs(_model(branches).get_layer("gate_pool").input, last)

    def test_a_model_that_is_called_as_a_layer_gives_features(self):
        inner = keras.Input(IMAGE)
        functional = keras.Model(inner, keras.layers.Conv2D(4, 3)(inner))
        sequential = keras.Sequential([keras.layers.Conv2D(4, 3)])
        sequential(keras.Input(IMAGE))
        for base in (functional, sequential):
            images = keras.Input(IMAGE)
            features = base(images, training=False)
            branches = {
                name: keras.Model(
                    images,
                    keras.layers.Dense(6, name=name)(
                        keras.layers.GlobalAveragePooling2D()(features)
                    ),
                )
                for name in "ab"
            }
            model = _model(branches)
            self.assertIs(model.get_layer("gate_pool").input, features)
            self.assertEqual(model(np.zeros([2, *IMAGE], np.float32)).shape, (2, 6))

    def test_sequences_volumes_and_states_are_features_too(self):
        for shape, layer in (
            ((7, 3), keras.layers.Dense(4)),
            ((4, 5, 6, 2), keras.layers.Conv3D(4, 2)),
            ((7, 3), keras.layers.GRU(4, return_state=True)),
        ):
            given = keras.Input(shape)
            found = layer(given)
            found = found[0] if isinstance(found, (list, tuple)) else found
            branches = {
                name: keras.Model(
                    given, keras.layers.Dense(6, name=name)(keras.layers.Flatten()(found))
                )
                for name in "ab"
            }
            model = _model(branches)
            self.assertEqual(model(np.zeros([3, *shape], np.float32)).shape, (3, 6))
            self.assertIn("gate_logits", [each.name for each in model.layers])


if __name__ == "__main__":
    tf.test.main()
