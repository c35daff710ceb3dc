"""Tests of kdcl_tf.methods.branched.clnn."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import CLNN
from kdcl_tf.training.optimizers import CoupledSGD
from tests.branches import CLASSES, IMAGE, tree

_RATE = 0.3


def _batch(examples=7):
    rng = np.random.default_rng(examples)
    images = rng.normal(size=[examples, *IMAGE]).astype(np.float32)
    return images, rng.integers(CLASSES, size=examples)


@tf.custom_gradient
def _halved(x):
    """Identity whose gradient is halved: the definition's operation at a split in two."""
    return tf.identity(x), lambda upstream: upstream / 2.0


def _logits_by_hand(network, images):
    """The tree of two and four copies, with the gradient halved at each split."""
    layer = network.get_layer
    trunk = _halved(layer("trunk")(images))
    logits = []
    for index in range(4):
        if index % 2 == 0:
            x = _halved(layer(f"level0_copy{index // 2}")(trunk))
        y = tf.reduce_mean(layer(f"level1_copy{index}")(x), axis=[1, 2])
        logits.append(y @ layer(f"head{index}").kernel + layer(f"head{index}").bias)
    return logits


def _loss_by_hand(network, images, labels, temperature, weight):
    logits = _logits_by_hand(network, images)
    loss = 0.0
    for own in logits:
        others = [each for each in logits if each is not own]
        target = tf.stop_gradient(tf.nn.softmax(sum(others) / 3.0 / temperature))
        imitated = keras.losses.kl_divergence(target, tf.nn.softmax(own / temperature))
        hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, own)
        loss += tf.reduce_mean(hard + weight * temperature**2 * imitated)
    return loss


class StepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((2.0, 1.0), (1.0, 0.5), (2.0, 0.0))
    def test_a_step_equals_plain_tensorflow(self, temperature, weight):
        cohort, twin = (
            CLNN(tree((2, 4)), temperature=temperature, distillation_weight=weight)
            for _ in range(2)
        )
        twin.set_weights(cohort.get_weights())
        cohort.compile(keras.optimizers.SGD(_RATE))
        images, labels = _batch()
        cohort.train_on_batch(images, labels)
        variables = twin.trainable_variables
        with tf.GradientTape() as tape:
            loss = _loss_by_hand(twin.network, images, labels, temperature, weight)
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(_RATE * gradient)
        for found, wanted in zip(cohort.trainable_variables, variables, strict=True):
            self.assertAllClose(found, wanted, atol=2e-6, msg=found.path)

    def test_half_the_rate_and_twice_the_decay_are_the_original(self):
        cohort, twin = CLNN(tree((2, 4))), CLNN(tree((2, 4)))
        twin.set_weights(cohort.get_weights())
        rate, decay, momentum = 0.3, 0.1, 0.9
        cohort.compile(CoupledSGD(rate / 2, momentum=momentum, coupled_weight_decay=2 * decay))
        variables = twin.trainable_variables
        velocities = [tf.zeros_like(each.value) for each in variables]
        for examples in (7, 5, 6):
            images, labels = _batch(examples)
            cohort.train_on_batch(images, labels)
            with tf.GradientTape() as tape:
                # Both losses weighed with 1/2.
                loss = _loss_by_hand(twin.network, images, labels, 2.0, 1.0) / 2.0
            gradients = tape.gradient(loss, variables)
            velocities = [
                momentum * velocity + gradient + decay * variable
                for velocity, gradient, variable in zip(velocities, gradients, variables)
            ]
            for variable, velocity in zip(variables, velocities):
                variable.assign_sub(rate * velocity)
        for found, expected in zip(cohort.trainable_variables, variables, strict=True):
            self.assertAllClose(found, expected, atol=2e-5, msg=found.path)

    def test_the_gradient_into_the_trunk_is_a_quarter_of_the_sum_over_heads(self):
        cohort = CLNN(tree((2, 4)), distillation_weight=0.0)
        cohort.compile(keras.optimizers.SGD(1.0))
        images, labels = _batch()
        trunk = cohort.network.get_layer("trunk").kernel
        middle = cohort.network.get_layer("level0_copy1").kernel
        with tf.GradientTape() as tape:
            heads = [
                tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(labels, branch(images))
                )
                for branch in cohort.students.values()
            ]
            total = tf.add_n(heads)
        sums = tape.gradient(total, [trunk, middle])
        before = [tf.identity(trunk), tf.identity(middle)]
        cohort.train_on_batch(images, labels)
        self.assertAllClose(before[0] - trunk, sums[0] / 4.0, atol=1e-6)
        self.assertAllClose(before[1] - middle, sums[1] / 2.0, atol=1e-6)


class PenaltyTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(False, True)
    def test_it_shrinks_what_heads_share_with_its_whole_strength(self, jit_compile):
        images = keras.Input((5,))
        kept = keras.regularizers.L2(0.5)
        shared = keras.layers.Dense(4, kernel_regularizer=kept)(images)
        heads = {
            name: keras.Model(images, keras.layers.Dense(3, kernel_regularizer=kept)(shared))
            for name in "abc"
        }
        cohort = CLNN(heads)
        cohort.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        kernels = [each for each in cohort.trainable_variables if each.name == "kernel"]
        before = [np.array(each) for each in kernels]
        x, y = np.ones([6, 5], np.float32), np.zeros(6, np.int64)
        (loss, *_) = cohort.train_on_batch(x, y, sample_weight=np.zeros(6))
        for kernel, old in zip(kernels, before, strict=True):
            self.assertAllClose(kernel, (1 - 0.1 * 2 * 0.5) * old, atol=1e-6)
        self.assertAllClose(loss, sum(0.5 * np.sum(old**2) for old in before), rtol=1e-5)

    def test_that_of_activities_is_divided_only_at_splits_below_it(self):
        images = keras.Input((1,))
        dense = {"use_bias": False, "kernel_initializer": "ones"}
        activity = keras.regularizers.L2(1.0)
        shared = keras.layers.Dense(1, activity_regularizer=activity, **dense)
        x = shared(images)
        cohort = CLNN(
            {
                "a": keras.Model(images, keras.layers.Dense(2, **dense)(x)),
                "b": keras.Model(
                    images, keras.layers.Dense(2, activity_regularizer=activity, **dense)(x)
                ),
            }
        )
        cohort.compile(keras.optimizers.SGD(1.0))
        cohort.train_on_batch(np.ones([1, 1]), np.zeros(1, int), sample_weight=np.zeros(1))
        # d/dw of w^2, whole, and of the two logits' w^2 + w^2, halved on its way.
        self.assertAllClose(shared.kernel, [[1.0 - 2.0 - 4.0 / 2]], atol=1e-6)


class SoftTargetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((2,), (4,))
    def test_it_is_the_mean_of_the_other_heads_logits(self, heads):
        copies = (2,) if heads == 2 else (2, 4)
        cohort = CLNN(tree(copies), temperature=2.0)
        logits = np.random.default_rng(0).normal(size=[heads, 6, CLASSES]).astype(np.float32)
        found = cohort.distillation_losses(tf.constant(logits), None, None)
        for head in range(heads):
            target = tf.nn.softmax(np.delete(logits, head, axis=0).mean(0) / 2.0)
            own = tf.nn.softmax(logits[head] / 2.0)
            self.assertAllClose(found[head], 4.0 * keras.losses.kl_divergence(target, own), 1e-5)

    def test_the_other_heads_are_constants(self):
        cohort = CLNN(tree((2, 4)))
        logits = tf.Variable(tf.random.stateless_normal([4, 6, CLASSES], [0, 0]))
        with tf.GradientTape() as tape:
            first = tf.reduce_sum(cohort.distillation_losses(logits, None, None)[0])
        gradient = tf.convert_to_tensor(tape.gradient(first, logits)).numpy()
        self.assertGreater(np.abs(gradient[0]).max(), 1e-3)
        self.assertAllEqual(gradient[1:], np.zeros([3, 6, CLASSES]))


if __name__ == "__main__":
    tf.test.main()
