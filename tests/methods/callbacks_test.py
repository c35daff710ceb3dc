"""Tests of kdcl_tf.methods.callbacks."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import callbacks
from kdcl_tf.methods import Independent, KDCL
from kdcl_tf.objectives import ensembles


def _student(units):
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4),
        ]
    )


def _data(examples=20, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, 5]).astype(np.float32)
    return images, rng.integers(4, size=examples)


def _weights_by_hand(cohort, images, labels, error):
    """Eq. 11 from `student.predict`, in float64."""
    logits = [each.predict(images, verbose=0) for each in cohort.students.values()]
    exponentials = np.exp(np.stack(logits).astype(np.float64))
    errors = exponentials / exponentials.sum(-1, keepdims=True) - np.eye(4)[labels]
    if error == "target":
        errors = errors[:, np.arange(len(labels)), labels]
    flat = errors.reshape(len(errors), -1)
    inverse = np.linalg.inv(flat @ flat.T).sum(1)
    return inverse / inverse.sum()


class _Recorder(keras.callbacks.Callback):
    """What the weights should be at the end of each epoch, before the other callback."""

    def __init__(self, images, labels, error):
        super().__init__()
        self.held_out, self.error = (images, labels), error
        self.expected, self.statistics = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.expected.append(_weights_by_hand(self.model, *self.held_out, self.error))
        self.statistics = self.model.students["a"].layers[1].get_weights()


class GeneralWeightsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(3)

    @parameterized.parameters("vector", "target")
    def test_the_weights_follow_the_students_every_epoch_and_are_logged(self, error):
        cohort = KDCL(
            {"z": _student(3), "a": _student(6)},
            ensembles.General(error=error, constraint="none"),
        )
        cohort.compile(keras.optimizers.SGD(0.2))
        recorder = _Recorder(*_data(30, 1), error)
        held_out = tf.data.Dataset.from_tensor_slices(_data(30, 1)).batch(16)
        history = cohort.fit(
            *_data(),
            epochs=3,
            verbose=0,
            callbacks=[recorder, callbacks.GeneralWeights(held_out)],
        ).history
        found = np.stack([history["general_weight_z"], history["general_weight_a"]], axis=1)
        self.assertAllClose(found, recorder.expected, rtol=1e-3, atol=1e-4)
        self.assertNotAllClose(found[0], found[2])
        self.assertAllClose(cohort.ensemble.student_weights, found[-1])
        for moving, before in zip(
            cohort.students["a"].layers[1].get_weights(), recorder.statistics
        ):
            self.assertAllEqual(moving, before)

    def test_the_second_epoch_learns_from_the_weights_of_the_first(self):
        images, labels = _data()
        weights = iter([[1.0, 0.0], [0.0, 1.0]])
        cohort = KDCL({"z": _student(3), "a": _student(6)}, "general", temperature=1.0)
        cohort.compile(keras.optimizers.SGD(0.0))
        choose = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: cohort.ensemble.student_weights.assign(next(weights))
        )
        history = cohort.fit(
            images, labels, batch_size=20, epochs=2, verbose=0, callbacks=[choose]
        ).history
        for student, others in (("z", 1), ("a", 0)):
            losses = history[f"{student}_distillation_loss"]
            self.assertAllClose(losses[1 - others], 0.0, atol=1e-6)
            self.assertGreater(losses[others], 1e-3)

    @parameterized.parameters((KDCL, "KDCL with MinLogit"), (Independent, "Independent with None"))
    def test_another_method_is_refused_before_the_first_step(self, method, named):
        cohort = method({"a": _student(3)})
        cohort.compile("sgd")
        before = cohort.get_weights()
        with self.assertRaisesRegex(
            ValueError, f"KDCL cohort with a General ensemble; got {named}"
        ):
            cohort.fit(*_data(), verbose=0, callbacks=[callbacks.GeneralWeights([_data()])])
        for found, expected in zip(cohort.get_weights(), before):
            self.assertAllEqual(found, expected)

    def test_no_held_out_images_are_refused(self):
        cohort = KDCL({"a": _student(3)}, "general")
        cohort.compile("sgd")
        with self.assertRaisesRegex(ValueError, "expected held-out images .*; got none"):
            cohort.fit(*_data(), verbose=0, callbacks=[callbacks.GeneralWeights([])])


if __name__ == "__main__":
    tf.test.main()
