"""Tests of kdcl_tf.losses against float64 NumPy and their closed-form gradients."""

import re

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from sklearn.utils import class_weight

from kdcl_tf.objectives import losses


def _log_softmax(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _data(examples=20, classes=7, seed=0):
    rng = np.random.default_rng(seed)
    return 3.0 * rng.normal(size=[examples, classes]), rng.dirichlet(np.ones(classes), examples)


class CrossEntropyTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        logits = np.log([[0.25, 0.75], [0.5, 0.5]])
        self.assertAllClose(losses.cross_entropy([0, 1], logits), np.log([4.0, 2.0]))
        half = losses.cross_entropy(np.full([2, 2], 0.5), logits)
        self.assertAllClose(half, [0.5 * np.log(16 / 3), np.log(2.0)])

    @parameterized.parameters("float16", "bfloat16", "float32", "float64")
    def test_it_equals_numpy_for_labels_of_every_form(self, dtype):
        logits, soft = _data()
        logits = tf.cast(logits, dtype)
        exact = _log_softmax(tf.cast(logits, tf.float64).numpy())
        classes = soft.argmax(-1)
        for labels, dense in (
            (soft, soft),
            (classes.astype("int32"), np.eye(7)[classes]),
            (classes[:, np.newaxis], np.eye(7)[classes]),
        ):
            found = losses.cross_entropy(labels, logits)
            self.assertEqual(found.dtype, tf.float32)
            self.assertAllClose(found, -(dense * exact).sum(-1), atol=1e-5)

    def test_it_is_keras_loss_of_one_example(self):
        logits, soft = _data()
        expected = keras.losses.categorical_crossentropy(soft, logits, from_logits=True)
        self.assertAllClose(losses.cross_entropy(soft, logits), expected, atol=1e-5)

    def test_it_is_linear_in_the_labels(self):
        logits, soft = _data()
        self.assertAllClose(
            losses.cross_entropy(3.0 * soft, logits), 3.0 * losses.cross_entropy(soft, logits)
        )

    def test_its_gradient_is_the_softmax_minus_the_label(self):
        logits, soft = _data()
        logits = tf.constant(logits, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.cross_entropy(soft, logits)
        expected = np.exp(_log_softmax(logits.numpy().astype(np.float64))) - soft
        self.assertAllClose(tape.gradient(loss, logits), expected, atol=1e-6)

    def test_huge_logits_are_exact(self):
        logits = np.array([[1e5, -1e5, 0.0], [-1e5, 1e5, 0.0]])
        self.assertAllClose(losses.cross_entropy([0, 0], logits), [0.0, 2e5])


class ClassWeightsTest(tf.test.TestCase):
    def test_known_numbers(self):
        found = losses.balanced_class_weights([0, 0, 0, 2])
        self.assertAllClose(found, {0: 4 / (2 * 3), 2: 4 / 2})

    def test_they_are_scikit_learns_and_their_mean_over_images_is_1(self):
        labels = np.random.default_rng(0).integers(0, 40, 200) // 7
        found = losses.balanced_class_weights(labels)
        expected = class_weight.compute_class_weight(
            "balanced", classes=np.unique(labels), y=labels
        )
        self.assertAllClose(list(found.values()), expected)
        self.assertAllClose(np.mean([found[label] for label in labels.tolist()]), 1.0)

    def test_classes_of_one_size_weigh_1(self):
        self.assertEqual(losses.balanced_class_weights([1, 0, 1, 0]), {0: 1.0, 1: 1.0})
        self.assertEqual(losses.balanced_class_weights([[1], [0]]), {0: 1.0, 1: 1.0})

    def test_whole_numbers_may_be_of_any_type(self):
        wanted = losses.balanced_class_weights([0, 1, 1, 2])
        for kind in (object, np.uint8, np.int64, np.float32):
            found = losses.balanced_class_weights(np.array([0, 1, 1, 2], kind))
            self.assertEqual(found, wanted)

    def test_what_is_no_class_is_refused(self):
        for labels, got in (
            (np.eye(3), "shape [3, 3]"),
            (3, "shape []"),
            ([0.5, 1.0], "[0.5]"),
            ([0, 1, -1, 2.0], "[-1.0]"),
            ([0, np.inf, np.nan], "[inf, nan]"),
            (["cat", "dog"], "['cat', 'dog']"),
            (["0", "1"], "['0', '1']"),
            ([0, None], "[None]"),
        ):
            with self.assertRaisesRegex(
                ValueError, f"expected labels .*; got {re.escape(got)}: num"
            ):
                losses.balanced_class_weights(labels)


class DistillationTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_numbers(self):
        # KL([1/2, 1/2] || [1/4, 3/4]) = ln(2 / sqrt(3)); T scales by T^2 and softens.
        soft = np.array([[0.5, 0.5]])
        logits = np.log([[0.25, 0.75]])
        self.assertAllClose(losses.distillation(soft, logits, 1.0), [np.log(2 / np.sqrt(3.0))])
        found = losses.distillation(soft, 2.0 * logits, 2.0)
        self.assertAllClose(found, [4.0 * np.log(2 / np.sqrt(3.0))])

    @parameterized.product(
        dtype=("float16", "bfloat16", "float32", "float64"), temperature=(0.5, 1.0, 4.0)
    )
    def test_it_equals_numpy(self, dtype, temperature):
        logits, soft = _data()
        logits = tf.cast(logits, dtype)
        log_q = _log_softmax(tf.cast(logits, tf.float64).numpy() / temperature)
        expected = temperature**2 * (soft * (np.log(soft) - log_q)).sum(-1)
        found = losses.distillation(soft, logits, temperature)
        self.assertEqual(found.dtype, tf.float32)
        self.assertAllClose(found, expected, rtol=1e-5, atol=1e-5)

    @parameterized.parameters(0.5, 1.0, 2.0, 5.0)
    def test_a_student_has_nothing_to_learn_from_itself(self, temperature):
        logits, _ = _data(200, 100)
        soft = tf.nn.softmax(tf.cast(logits, tf.float32) / temperature)
        found = losses.distillation(soft, logits, temperature)
        self.assertAllClose(found, np.zeros(200), atol=1e-5)

    def test_it_is_never_negative_but_for_rounding(self):
        for seed in range(5):
            logits, soft = _data(200, seed=seed)
            self.assertAllGreater(losses.distillation(soft, logits, 1.0), -1e-6)
            near = tf.nn.softmax(tf.cast(logits, tf.float32) + 1e-4)
            self.assertAllGreater(losses.distillation(near, logits, 1.0), -1e-6)

    @parameterized.parameters(0.5, 1.0, 2.0, 5.0)
    def test_its_gradient_is_t_times_the_difference_of_probabilities(self, temperature):
        # d/dz T^2 KL(p || softmax(z / T)) = T^2 (softmax(z / T) - p) / T.
        logits, soft = _data()
        logits = tf.constant(logits, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.distillation(soft, logits, temperature)
        q = np.exp(_log_softmax(logits.numpy().astype(np.float64) / temperature))
        self.assertAllClose(tape.gradient(loss, logits), temperature * (q - soft), atol=1e-5)

    def test_no_gradient_passes_to_the_soft_target(self):
        logits, soft = _data()
        soft = tf.Variable(soft)
        with tf.GradientTape() as tape:
            loss = losses.distillation(soft, logits, 2.0)
        self.assertIsNone(tape.gradient(loss, soft))

    def test_hot_temperatures_reach_half_the_squared_distance_of_logits(self):
        # Hinton et al. (2015), section 2.1: sum((z - v)^2) / 2C for centred logits.
        rng = np.random.default_rng(0)
        z, v = rng.normal(size=[2, 6, 5])
        z, v = z - z.mean(-1, keepdims=True), v - v.mean(-1, keepdims=True)
        found = losses.distillation(tf.nn.softmax(v / 50.0), z, 50.0)
        self.assertAllClose(found, ((z - v) ** 2).sum(-1) / 10, rtol=0.05, atol=1e-2)

    @parameterized.parameters(10.0, 100.0, 1000.0)
    def test_rounding_grows_with_the_squared_temperature(self, temperature):
        logits, others = (_data(100, 50, seed)[0].astype(np.float32) for seed in (0, 1))
        log_p, log_q = (_log_softmax(each / temperature) for each in np.float64([others, logits]))
        expected = temperature**2 * (np.exp(log_p) * (log_p - log_q)).sum(-1)
        found = losses.distillation(tf.nn.softmax(others / temperature), logits, temperature)
        self.assertAllClose(found, expected, rtol=1e-5, atol=5e-7 * temperature**2 + 1e-5)

    def test_a_one_hot_target_makes_it_cross_entropy(self):
        logits, soft = _data()
        classes = soft.argmax(-1)
        self.assertAllClose(
            losses.distillation(np.eye(7)[classes], logits, 1.0),
            losses.cross_entropy(classes, logits),
            atol=1e-6,
        )

    @parameterized.parameters(1.0, 2.0)
    def test_huge_logits_are_finite_with_finite_gradients(self, temperature):
        logits = tf.constant([[1e5, -1e5, 0.0]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.distillation([[0.0, 1.0, 0.0]], logits, temperature)
        self.assertAllClose(loss, [temperature * 2e5])
        self.assertAllClose(tape.gradient(loss, logits), [[temperature, -temperature, 0.0]])

    @parameterized.parameters(False, True)
    def test_the_graph_and_xla_agree_with_eager(self, compiled):
        logits, soft = _data()
        graph = tf.function(losses.distillation, jit_compile=compiled)
        found = graph(tf.constant(soft), tf.constant(logits, tf.float32), 2.0)
        self.assertAllClose(found, losses.distillation(soft, logits, 2.0), atol=1e-5)

    def test_the_policy_of_keras_changes_nothing(self):
        logits, soft = _data()
        expected = losses.distillation(soft, logits, 2.0)
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        self.assertAllEqual(losses.distillation(soft, logits, 2.0), expected)
        self.assertEqual(losses.cross_entropy(soft, tf.cast(logits, "bfloat16")).dtype, tf.float32)


if __name__ == "__main__":
    tf.test.main()
