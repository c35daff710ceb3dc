"""Tests of what holds for every target of kdcl_tf.targets: identities, and all ways to run one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from numpy_targets import BY_EXAMPLE, cross_entropy, random_logits, softmax

from kdcl_tf.objectives import targets


class IdentityTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(students=(2, 3, 5), scale=(1.0, 3.0, 10.0))
    def test_the_order_of_cross_entropies_holds_for_every_example(self, students, scale):
        logits, labels = random_logits(students, examples=200, classes=10, scale=scale)
        dense = np.eye(10)[labels]
        # At T = 1 the log of a target is its logits, up to a constant.
        linear, naive, least = (
            -np.log(BY_EXAMPLE[name](logits, labels).numpy().astype(np.float64))[dense == 1]
            for name in ("linear", "naive", "min_logit")
        )
        alone = cross_entropy(dense, logits)
        self.assertTrue(np.all(least <= linear + 1e-5))
        self.assertTrue(np.all(linear <= naive + 5e-5))
        self.assertTrue(np.all(naive <= alone.min(0) + 1e-5))

    @parameterized.product(name=sorted(BY_EXAMPLE), soft=(False, True))
    def test_a_constant_added_to_a_students_logits_changes_nothing(self, name, soft):
        logits, labels = random_logits(soft=soft)
        shift = np.random.default_rng(2).normal(size=[3, 16, 1])
        moved = BY_EXAMPLE[name](logits + shift, labels, 2.0)
        # The gap of `linear` is flat: its target is known to the root of its tolerance.
        tolerance = 5e-3 if name == "linear" else 1e-5
        self.assertAllClose(moved, BY_EXAMPLE[name](logits, labels, 2.0), atol=tolerance)

    @parameterized.product(name=sorted(BY_EXAMPLE), order=list(itertools.permutations(range(3))))
    def test_the_order_of_students_changes_no_target(self, name, order):
        logits, labels = random_logits()
        moved = BY_EXAMPLE[name](logits[list(order)], labels)
        self.assertAllClose(moved, BY_EXAMPLE[name](logits, labels), atol=2e-4)

    @parameterized.product(name=sorted(BY_EXAMPLE), soft=(False, True))
    def test_a_single_students_target_is_its_own_softmax(self, name, soft):
        logits, labels = random_logits(1, soft=soft)
        expected = softmax(logits[0] / 2.0)
        self.assertAllClose(BY_EXAMPLE[name](logits, labels, 2.0), expected, atol=1e-6)
        self.assertAllClose(targets.general(logits, [1.0], 2.0), expected, atol=1e-6)
        self.assertAllEqual(targets.linear_weights(logits, labels), np.ones([16, 1]))

    @parameterized.parameters(*BY_EXAMPLE)
    def test_identical_students_give_their_softmax(self, name):
        logits, labels = random_logits(1)
        expected = softmax(logits[0] / 2.0)
        found = BY_EXAMPLE[name](np.repeat(logits, 4, axis=0), labels, 2.0)
        self.assertAllClose(found, expected, atol=1e-5)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_an_example_does_not_depend_on_the_others(self, name):
        logits, labels = random_logits()
        part = BY_EXAMPLE[name](logits[:, 5:9], labels[5:9])
        self.assertAllClose(part, BY_EXAMPLE[name](logits, labels)[5:9], atol=1e-5)
        self.assertEqual(BY_EXAMPLE[name](logits[:, :0], labels[:0]).shape, (0, 6))

    @parameterized.parameters(*BY_EXAMPLE)
    def test_targets_are_probabilities(self, name):
        logits, labels = random_logits(scale=10.0)
        found = BY_EXAMPLE[name](logits, labels).numpy()
        self.assertAllClose(found.sum(-1), np.ones(16))
        self.assertGreaterEqual(found.min(), 0.0)


@pytest.mark.slow
class GraphTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=sorted(BY_EXAMPLE), compiled=(False, True))
    def test_the_graph_and_xla_agree_with_eager(self, name, compiled):
        logits, labels = random_logits()
        logits, labels = tf.constant(logits, tf.float32), tf.constant(labels)
        graph = tf.function(BY_EXAMPLE[name], jit_compile=compiled)
        expected = BY_EXAMPLE[name](logits, labels, 2.0)
        self.assertAllClose(graph(logits, labels, 2.0), expected, atol=2e-4)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_the_batch_may_be_unknown(self, name):
        logits, labels = random_logits()
        signature = [tf.TensorSpec([3, None, 6]), tf.TensorSpec([None], tf.int64)]
        graph = tf.function(BY_EXAMPLE[name], input_signature=signature)
        expected = BY_EXAMPLE[name](logits, labels)
        self.assertAllClose(graph(tf.cast(logits, tf.float32), labels), expected, atol=2e-4)

    @parameterized.parameters(*BY_EXAMPLE)
    def test_no_gradient_passes_through_a_target(self, name):
        logits, labels = random_logits()
        logits = tf.Variable(logits, dtype=tf.float32)
        with tf.GradientTape(persistent=True) as tape:
            soft = BY_EXAMPLE[name](logits, labels)
            general = targets.general(logits, tf.constant([0.2, 0.3, 0.5]))
        self.assertIsNone(tape.gradient(soft, logits))
        self.assertIsNone(tape.gradient(general, logits))


if __name__ == "__main__":
    tf.test.main()
