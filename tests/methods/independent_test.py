"""Tests of kdcl_tf.methods.independent: each student trains as if it were alone."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.methods import KDCL, Independent


def _student(units):
    def initializer(seed):
        return keras.initializers.GlorotUniform(seed=seed)

    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(units, "tanh", kernel_initializer=initializer(units)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(
                4, kernel_initializer=initializer(1), kernel_regularizer=keras.regularizers.L2(0.01)
            ),
        ]
    )


def _fit(model):
    rng = np.random.default_rng(0)
    images = rng.normal(size=[14, 5]).astype(np.float32)
    labels = rng.integers(4, size=14)
    return model.fit(images, labels, batch_size=5, epochs=3, shuffle=False, verbose=0).history


def _optimizer():
    return keras.optimizers.SGD(0.1, momentum=0.9)


class IndependentTest(tf.test.TestCase):
    def _assert_trained_alone(self, cohort):
        cohort.compile(_optimizer())
        history = _fit(cohort)
        losses = []
        for units, student in zip((3, 6), cohort.students.values()):
            plain = _student(units)
            plain.compile(_optimizer(), keras.losses.SparseCategoricalCrossentropy(True))
            losses.append(_fit(plain)["loss"])
            for found, expected in zip(student.get_weights(), plain.get_weights()):
                self.assertAllClose(found, expected, atol=1e-6)
        self.assertAllClose(history["loss"], np.sum(losses, axis=0), atol=1e-5)

    def test_every_student_has_the_weights_that_keras_fit_gives_it(self):
        self._assert_trained_alone(Independent({"z": _student(3), "a": _student(6)}))

    def test_a_distillation_weight_of_zero_is_the_same(self):
        students = {"z": _student(3), "a": _student(6)}
        self._assert_trained_alone(KDCL(students, "linear", distillation_weight=0.0))

    def test_nothing_is_distilled(self):
        cohort = Independent({"z": _student(3), "a": _student(6)})
        found = cohort.distillation_losses(tf.ones([2, 7, 4]), None, None)
        self.assertAllEqual(found, np.zeros([2, 7]))


if __name__ == "__main__":
    tf.test.main()
