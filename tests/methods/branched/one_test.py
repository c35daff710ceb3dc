"""Tests of kdcl_tf.methods.branched.one."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import ONE
from tests.branches import CLASSES, IMAGE, tree

_RATE = 0.3


def _batch(examples=7, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, *IMAGE]).astype(np.float32)
    return images, rng.integers(CLASSES, size=examples)


def _gate_by_hand(cohort, features):
    """Dense, batch norm by the batch's own statistics, ReLU, softmax; from the definition."""
    dense, norm = (cohort.network.get_layer(f"gate_{each}") for each in ("logits", "norm"))
    x = tf.reduce_mean(features, axis=[1, 2]) @ dense.kernel + dense.bias
    mean, variance = tf.nn.moments(x, axes=[0])
    x = (x - mean) / tf.sqrt(variance + 1e-5) * norm.gamma + norm.beta
    return tf.nn.softmax(tf.nn.relu(x))


def _loss_by_hand(cohort, images, labels, temperature, weight):
    """ONE's loss in plain TensorFlow; the trunk is run here, not by the network."""
    features = cohort.network.get_layer("trunk")(images)
    logits = []
    for index in range(3):
        x = cohort.network.get_layer(f"level0_copy{index}")(features)
        x = tf.reduce_mean(x, axis=[1, 2])
        head = cohort.network.get_layer(f"head{index}")
        logits.append(x @ head.kernel + head.bias)
    gate = _gate_by_hand(cohort, features)
    teacher = sum(gate[:, index, None] * logits[index] for index in range(3))
    target = tf.stop_gradient(tf.nn.softmax(teacher / temperature))
    loss = _cross_entropy(labels, teacher)
    for each in logits:
        imitated = keras.losses.kl_divergence(target, tf.nn.softmax(each / temperature))
        loss += _cross_entropy(labels, each) + weight * temperature**2 * tf.reduce_mean(imitated)
    return loss


def _cross_entropy(labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


class StepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((3.0, 1.0), (1.0, 0.5), (2.0, 0.0))
    def test_a_step_equals_plain_tensorflow(self, temperature, weight):
        cohort, twin = (
            ONE(tree((3,)), temperature=temperature, distillation_weight=weight) for _ in range(2)
        )
        twin.set_weights(cohort.get_weights())
        cohort.compile(keras.optimizers.SGD(_RATE))
        images, labels = _batch()
        cohort.train_on_batch(images, labels)
        variables = twin.trainable_variables
        with tf.GradientTape() as tape:
            loss = _loss_by_hand(twin, images, labels, temperature, weight)
        for variable, gradient in zip(variables, tape.gradient(loss, variables)):
            variable.assign_sub(_RATE * gradient)
        for found, wanted in zip(cohort.trainable_variables, variables, strict=True):
            self.assertAllClose(found, wanted, atol=2e-6, msg=found.path)

    def test_the_gradient_into_the_trunk_is_the_sum_over_branches_and_teacher(self):
        cohort = ONE(tree((3,)), distillation_weight=0.0)
        images, labels = _batch()
        trunk = cohort.network.get_layer("trunk").kernel
        parts = []
        with tf.GradientTape(persistent=True) as tape:
            rows = tf.unstack(cohort.forward({"all": images}, training=True))
            self.assertLen(rows, 3 + 1)
            parts = [_cross_entropy(labels, each) for each in rows]
            loss = _loss_by_hand(cohort, images, labels, 3.0, 0.0)
        summed = sum(tape.gradient(part, trunk) for part in parts)
        self.assertAllClose(summed, tape.gradient(loss, trunk), atol=1e-6)
        self.assertGreater(np.abs(summed).max(), 1e-3)

    def test_the_teacher_is_constant_for_the_branches(self):
        cohort = ONE(tree((3,)))
        rows = tf.Variable(tf.random.stateless_normal([4, 6, CLASSES], [0, 0]))
        with tf.GradientTape() as tape:
            losses = cohort.distillation_losses(rows, None, None)
        self.assertAllEqual(losses.shape, [3, 6])
        *branches, teacher = tf.unstack(tf.convert_to_tensor(tape.gradient(losses, rows)))
        self.assertAllEqual(teacher, tf.zeros([6, CLASSES]))
        for gradient in branches:
            self.assertGreater(np.abs(gradient).max(), 1e-3)


class GateTest(tf.test.TestCase):
    def test_weights_are_on_the_simplex_and_make_the_teacher(self):
        cohort = ONE(tree((3,)))
        images, _ = _batch()
        gate = keras.Model(cohort.network.input, cohort.network.get_layer("gate_softmax").output)(
            images, training=True
        )
        self.assertAllClose(tf.reduce_sum(gate, axis=1), tf.ones(7), atol=1e-6)
        self.assertGreaterEqual(np.min(gate), 0.0)
        *logits, teacher = tf.unstack(cohort.forward({"all": images}, training=True))
        mixed = np.einsum("bm,mbc->bc", gate, logits)
        self.assertAllClose(teacher, mixed, atol=1e-5)

    def test_the_gate_sees_the_last_features_that_all_share(self):
        cohort = ONE(tree((3,), batch_norm=True))
        pool = cohort.network.get_layer("gate_pool")
        self.assertIs(pool.input, cohort.network.get_layer("trunk_norm").output)

    def test_the_accuracy_of_the_ensemble_is_the_teachers(self):
        cohort = ONE(tree((3,)))
        cohort.compile()
        images, labels = _batch(40)
        teacher = cohort.forward({"all": images})[-1]
        hits = np.argmax(teacher, axis=-1) == labels
        found = cohort.evaluate(images, labels, batch_size=40, return_dict=True, verbose=0)
        self.assertAllClose(found["ensemble_accuracy"], hits.mean())


class RampTest(tf.test.TestCase):
    def test_it_rises_with_the_optimizers_steps(self):
        cohort = ONE(tree((3,)), ramp_up_steps=4)
        cohort.compile(keras.optimizers.SGD(0.0))
        images, labels = _batch()
        found = []
        for _ in range(6):
            found.append(float(cohort.ramp))
            cohort.train_on_batch(images, labels)
        shares = np.minimum(np.arange(6) / 4, 1.0)
        self.assertAllClose(found, np.exp(-5 * (1 - shares) ** 2), atol=1e-6)

    def test_the_traced_step_follows_it(self):
        cohort = ONE(tree((3,)), ramp_up_steps=4)
        cohort.compile(keras.optimizers.SGD(0.0))
        images, labels = _batch()
        losses = []
        for _ in range(4):
            # Before 3.13 Keras reported the mean since the last reset.
            cohort.reset_metrics()
            found = cohort.train_on_batch(images, labels, return_dict=True)
            losses.append(found["branch0_distillation_loss"])
        # Nothing moves, so that only the ramp changes from step to step.
        ramp = np.exp(-5 * (1 - np.arange(4) / 4) ** 2)
        self.assertAllClose(np.array(losses) / losses[0], ramp / ramp[0], rtol=1e-3)

    def test_it_is_one_before_there_is_an_optimizer(self):
        self.assertEqual(float(ONE(tree((3,)), ramp_up_steps=4).ramp), 1.0)

    def test_without_it_the_weight_is_one_from_the_start(self):
        cohort = ONE(tree((3,)))
        cohort.compile()
        self.assertEqual(float(cohort.ramp), 1.0)

    def test_a_negative_one_is_refused(self):
        with self.assertRaisesRegex(ValueError, "ramp_up_steps must be >= 0; got -1"):
            ONE(tree((3,)), ramp_up_steps=-1)


if __name__ == "__main__":
    tf.test.main()
