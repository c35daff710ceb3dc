"""Tests of kdcl_tf.methods.branched.branched."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.methods import CLNN, ONE
from kdcl_tf.methods.branched.branched import Branched
from tests.branches import CLASSES, IMAGE, tree


def _batch(examples=5):
    rng = np.random.default_rng(examples)
    images = rng.normal(size=[examples, *IMAGE]).astype(np.float32)
    return images, rng.integers(CLASSES, size=examples)


class RunTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(method=(ONE, CLNN), copies=((3,), (2, 4)))
    def test_the_network_gives_what_each_branch_gives_alone(self, method, copies):
        branches = tree(copies)
        images, _ = _batch()
        found = method(branches).forward(dict.fromkeys(branches, images))
        self.assertAllClose(
            found[: len(branches)], [branch(images) for branch in branches.values()], atol=1e-6
        )

    def test_what_is_shared_runs_once_a_step(self):
        cohort = ONE(tree((3,)))
        trunk = [each for each in cohort.network.layers if each.name == "trunk"]
        self.assertLen(trunk, 1)
        images, labels = _batch()
        branches = tree((3,), batch_norm=True)
        cohort = CLNN(branches)
        cohort.compile(keras.optimizers.SGD(0.0))
        cohort.train_on_batch(images, labels)
        norm = cohort.network.get_layer("trunk_norm")
        features = cohort.network.get_layer("trunk")(images)
        mean = tf.reduce_mean(features, axis=[0, 1, 2])
        # One update of the moving mean, not one a branch.
        self.assertAllClose(norm.moving_mean, (1 - norm.momentum) * mean, atol=1e-6)

    def test_predict_and_call_give_logits_by_name(self):
        branches = tree()
        images, _ = _batch()
        cohort = CLNN(branches)
        cohort.compile()
        found = cohort.predict(images, verbose=0)
        self.assertEqual(list(found), list(branches))
        self.assertAllClose(found["branch1"], branches["branch1"](images), atol=1e-6)

    def test_a_penalty_on_shared_layers_counts_once(self):
        images = keras.Input(IMAGE)
        shared = keras.layers.Conv2D(2, 3, kernel_regularizer=keras.regularizers.L2(0.5))
        x = keras.layers.GlobalAveragePooling2D()(shared(images))
        branches = {
            name: keras.Model(images, keras.layers.Dense(CLASSES, name=name)(x)) for name in "abc"
        }
        cohort = CLNN(branches, distillation_weight=0.0)
        cohort.compile(keras.optimizers.SGD(0.0))
        found = cohort.evaluate(*_batch(), return_dict=True, verbose=0)
        entropies = sum(found[f"{name}_cross_entropy"] for name in "abc")
        penalty = 0.5 * tf.reduce_sum(shared.kernel**2)
        self.assertAllClose(found["loss"], entropies + penalty, atol=1e-5)

    def test_owners_counts_the_heads_of_a_variable(self):
        cohort = CLNN(tree((2, 4)))
        owners = {
            layer.name: cohort.owners(layer.kernel)
            for layer in cohort.network.layers
            if hasattr(layer, "kernel")
        }
        self.assertEqual(owners["trunk"], 4)
        self.assertEqual(owners["level0_copy1"], 2)
        self.assertEqual({owners[f"level1_copy{index}"] for index in range(4)}, {1})
        gated = ONE(tree((3,)))
        self.assertEqual(gated.owners(gated.network.get_layer("gate_logits").kernel), 0)


class RefusalTest(tf.test.TestCase, parameterized.TestCase):
    def test_separate_students_are_refused(self):
        separate = {
            name: students.build("resnet8", 10, (8, 8, 3), model_name=name) for name in "ab"
        }
        with self.assertRaisesRegex(
            ValueError, "ONE expected two or more functional models.*got a, b: make"
        ):
            ONE(separate)

    def test_one_branch_and_subclassed_models_are_refused(self):
        one = dict(list(tree().items())[:1])
        with self.assertRaisesRegex(ValueError, "CLNN expected two or more"):
            CLNN(one)

    def test_a_view_for_each_is_refused(self):
        branches = tree()
        cohort = CLNN(branches)
        cohort.compile()
        images, labels = _batch()
        with self.assertRaisesRegex(ValueError, "share their lower layers, and so their view"):
            cohort.train_on_batch(dict.fromkeys(branches, images), labels)

    def test_an_optimizer_each_is_refused(self):
        branches = tree()
        with self.assertRaisesRegex(ValueError, "share variables: expected one optimizer"):
            CLNN(branches).compile({name: keras.optimizers.SGD() for name in branches})

    @parameterized.parameters(ONE, CLNN)
    def test_compile_has_keras_order_of_arguments(self, method):
        with self.assertRaisesRegex(ValueError, "compile expected no loss, .*; got 'mse'"):
            method(tree()).compile("sgd", "mse")
        cohort = method(tree())
        cohort.compile("sgd", None, [keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")])
        self.assertIn("branch0_top2", [each.name for each in cohort.metrics])


class SavingTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((ONE, {"ramp_up_steps": 7}), (CLNN, {}))
    def test_a_keras_file_keeps_what_is_shared(self, method, options):
        branches = tree((2, 4), batch_norm=True)
        cohort = method(branches, temperature=1.5, distillation_weight=0.25, **options)
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        images, labels = _batch()
        cohort.train_on_batch(images, labels)
        path = pathlib.Path(self.create_tempdir().full_path) / "cohort.keras"
        cohort.save(path)
        loaded = keras.saving.load_model(path)
        self.assertIsInstance(loaded, method)
        self.assertEqual(loaded.get_config()["students"]["names"], list(branches))
        self.assertEqual((loaded.temperature, loaded.distillation_weight), (1.5, 0.25))
        for name, value in options.items():
            self.assertEqual(getattr(loaded, name), value)
        self.assertLen(loaded.variables, len(cohort.variables))
        # The next step is the same, and so gate, statistics and momentum were kept.
        for each in (cohort, loaded):
            each.train_on_batch(images, labels)
        for name in branches:
            for found, wanted in zip(
                loaded.students[name].get_weights(), branches[name].get_weights(), strict=True
            ):
                self.assertAllClose(found, wanted, atol=1e-6)

    def test_the_base_says_nothing_of_what_students_learn(self):
        cohort = Branched(tree())
        cohort.compile()
        with self.assertRaisesRegex(TypeError, "must override distillation_losses"):
            cohort.train_on_batch(*_batch())


if __name__ == "__main__":
    tf.test.main()
