"""Tests of kdcl_tf.cohort.from_logits."""

import functools
import warnings

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.cohort.from_logits import of_logits
from tests.small_cohort import CohortTestCase, compiled, make_data

_LABELS, _LOGITS = np.array([0, 1, 1]), np.array([[2.0, 0.5], [1.0, -1.0], [0.0, 3.0]], np.float32)
_NATS = -np.log(tf.nn.softmax(_LOGITS).numpy()[range(3), _LABELS]).mean()


class _WithoutArguments(keras.metrics.SparseCategoricalCrossentropy):
    """Hands on whatever it gets, and computes nothing itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)


class _OfProbabilities(keras.metrics.SparseCategoricalCrossentropy):
    """Makes probabilities of logits itself."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true, tf.nn.softmax(y_pred), sample_weight)


class _LossOfProbabilities(keras.losses.SparseCategoricalCrossentropy):
    def call(self, y_true, y_pred):
        return super().call(y_true, tf.nn.softmax(y_pred))


class OfLogitsTest(CohortTestCase):
    def _value(self, metric):
        if not isinstance(metric, keras.metrics.Metric):
            return np.mean(metric(_LABELS, _LOGITS))
        metric.update_state(_LABELS, _LOGITS)
        return metric.result()

    @parameterized.parameters(
        keras.metrics.SparseCategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        _WithoutArguments,
        _OfProbabilities,
        _LossOfProbabilities,
        lambda: keras.metrics.SparseCategoricalCrossentropy(from_logits=True),
        lambda: keras.losses.sparse_categorical_crossentropy,
        lambda: functools.partial(keras.losses.sparse_categorical_crossentropy, axis=-1),
        lambda: keras.metrics.MeanMetricWrapper(keras.losses.sparse_categorical_crossentropy),
    )
    def test_all_give_the_cross_entropy_of_logits(self, make):
        self.assertAllClose(self._value(of_logits(make())), _NATS)

    @parameterized.parameters("binary_crossentropy", "bce", "AUC", "CategoricalCrossentropy")
    def test_every_kind_of_keras_gets_the_argument(self, name):
        found = of_logits(keras.metrics.get(name))
        told = getattr(found, "_from_logits", None) or getattr(found, "from_logits", None)
        kwargs = getattr(found, "_fn_kwargs", None) or getattr(found, "keywords", {})
        self.assertTrue(told or kwargs["from_logits"])

    def test_a_loss_stays_as_it_was_given(self):
        given = keras.losses.SparseCategoricalCrossentropy()
        self.assertIsNot(of_logits(given), given)
        self.assertFalse(given._fn_kwargs["from_logits"])

    def test_a_warning_says_what_is_taken_of_an_object(self):
        for make in (
            keras.metrics.SparseCategoricalCrossentropy,
            keras.losses.SparseCategoricalCrossentropy,
        ):
            with self.assertWarnsRegex(UserWarning, "^students give logits: .* with from_logits=T"):
                of_logits(make(), is_told=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            of_logits(keras.metrics.SparseCategoricalCrossentropy())
            of_logits(keras.metrics.SparseCategoricalCrossentropy(from_logits=True), is_told=True)
            of_logits(_OfProbabilities(), is_told=True)
            of_logits(keras.metrics.SparseTopKCategoricalAccuracy(), is_told=True)

    def test_a_partial_that_asks_for_probabilities_is_refused(self):
        function = keras.losses.sparse_categorical_crossentropy
        with self.assertRaisesRegex(ValueError, "a functools.partial of sparse_.*: give it from_l"):
            of_logits(functools.partial(function, from_logits=False))

    def test_a_cohort_loads_with_an_object_that_asks_for_them(self):
        path = f"{self.create_tempdir().full_path}/cohort.keras"
        with self.assertWarns(UserWarning):
            cohort = compiled(metrics=[keras.metrics.SparseCategoricalCrossentropy(name="nats")])
        cohort.save(path)
        with self.assertWarns(UserWarning):
            loaded = keras.saving.load_model(path)
        found = loaded.evaluate(*make_data(), return_dict=True, verbose=0)
        self.assertAllClose(found["a_nats"], found["a_cross_entropy"])


if __name__ == "__main__":
    tf.test.main()
