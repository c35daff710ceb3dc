"""Tests of kdcl_tf.ensembles."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.objectives import ensembles, targets

_LOGITS = np.random.default_rng(0).normal(size=[3, 8, 4]).astype(np.float32)
_LABELS = np.random.default_rng(1).integers(4, size=8)

# One configuration, not the default one, for every subclass.
_CONFIGURATIONS = {
    ensembles.Naive: {"name": "first"},
    ensembles.Linear: {"name": "second"},
    ensembles.MinLogit: {"name": "third"},
    ensembles.General: {"error": "target", "constraint": "none", "ridge": 0.25},
}


def _softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def _subclasses(base):
    found = [each for each in base.__subclasses__() if each.__module__.startswith("kdcl_tf")]
    return [*found, *[deeper for each in found for deeper in _subclasses(each)]]


def _general(students=3, **kwargs):
    ensemble = ensembles.General(**kwargs)
    ensemble.connect(students)
    return ensemble


class SoftTargetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (ensembles.Naive, targets.naive),
        (ensembles.Linear, targets.linear),
        (ensembles.MinLogit, targets.min_logit),
    )
    def test_it_is_the_function_of_the_same_name(self, ensemble, function):
        found = ensemble().soft_target(_LOGITS, _LABELS, 3.0)
        self.assertAllEqual(found, function(_LOGITS, _LABELS, 3.0))

    @parameterized.parameters(ensembles.Naive, ensembles.Linear, ensembles.MinLogit)
    def test_the_average_needs_no_label(self, ensemble):
        self.assertAllClose(ensemble().average(_LOGITS), _softmax(_LOGITS).mean(0))

    def test_general_starts_as_the_mean(self):
        expected = _softmax(_LOGITS / 2.0).mean(0)
        self.assertAllClose(_general().soft_target(_LOGITS, _LABELS, 2.0), expected)
        self.assertAllClose(_general().average(_LOGITS), _softmax(_LOGITS).mean(0))

    def test_general_uses_its_weights(self):
        general = _general()
        general.student_weights.assign([0.5, 0.2, 0.3])
        expected = np.einsum("m,mbc->bc", [0.5, 0.2, 0.3], _softmax(_LOGITS / 2.0))
        self.assertAllClose(general.soft_target(_LOGITS, _LABELS, 2.0), expected)

    def test_negative_probabilities_are_cut_and_the_rest_scaled(self):
        general = _general(2, constraint="none")
        general.student_weights.assign([2.0, -1.0])
        logits = np.log([[[0.5, 0.5, 1e-9]], [[0.1, 0.7, 0.2]]])
        # 2 p - q = [0.9, 0.3, -0.2].
        self.assertAllClose(general.soft_target(logits, [0], 1.0), [[0.75, 0.25, 0.0]], atol=1e-6)

    def test_the_base_asks_for_an_override(self):
        with self.assertRaisesRegex(TypeError, "Ensemble must override soft_target"):
            ensembles.Ensemble().soft_target(_LOGITS, _LABELS, 1.0)


class GeneralErrorsTest(tf.test.TestCase):
    def test_vector_and_target(self):
        logits = np.log([[[0.7, 0.3], [0.6, 0.4]]])
        vector = _general(1).errors(logits, [0, 1])
        self.assertAllClose(vector, [[[-0.3, 0.3], [0.6, -0.6]]])
        target = _general(1, error="target").errors(logits, [0, 1])
        self.assertAllClose(target, [[-0.3, -0.6]])

    def test_soft_labels(self):
        logits = np.log([[[0.7, 0.3]]])
        soft = np.array([[0.5, 0.5]])
        self.assertAllClose(_general(1).errors(logits, soft), [[[0.2, -0.2]]])
        self.assertAllClose(_general(1, error="target").errors(logits, soft), [[-0.5]])


class GeneralRenewTest(tf.test.TestCase, parameterized.TestCase):
    matrix = np.array([[1.0, 2.0], [2.0, 5.0]])

    def test_the_simplex_is_the_papers_and_none_its_formula(self):
        self.assertAllClose(_general(2).renew(self.matrix), [1.0, 0.0])
        self.assertAllClose(_general(2, constraint="none").renew(self.matrix), [1.5, -0.5])

    def test_equal_weights_stay_so_and_make_the_mean_of_probabilities(self):
        general = _general(3, constraint="equal")
        self.assertAllClose(general.renew(np.diag([1.0, 2.0, 30.0])), [1 / 3] * 3)
        wanted = _softmax(_LOGITS / 2.0).mean(0)
        self.assertAllClose(general.soft_target(_LOGITS, _LABELS, 2.0), wanted)
        self.assertAllClose(general.average(_LOGITS), _softmax(_LOGITS).mean(0))

    def test_the_ridge_adds_a_part_of_the_mean_diagonal(self):
        # C + 2 * 3 * I = [[7, 2], [2, 11]], whose inverse has rows in the ratio 9 : 5.
        found = _general(2, ridge=2.0).renew(self.matrix)
        self.assertAllClose(found, [9 / 14, 5 / 14], atol=1e-6)

    def test_it_stays_and_is_returned(self):
        general = _general(2)
        found = general.renew(np.diag([1.0, 3.0]))
        self.assertAllClose(found, [0.75, 0.25])
        self.assertAllEqual(general.student_weights, found)

    def test_it_agrees_with_the_pure_function(self):
        errors = np.random.default_rng(0).normal(size=[3, 50, 4])
        found = _general(3, ridge=0.1).renew(targets.error_matrix(errors))
        self.assertAllClose(found, targets.general_weights(errors, ridge=0.1), atol=1e-6)

    def test_the_weights_do_not_train_and_stay_float32(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        general = _general(3)
        self.assertEmpty(general.trainable_variables)
        self.assertEqual(general.student_weights.dtype, "float32")
        self.assertEqual(general.soft_target(_LOGITS, _LABELS, 1.0).dtype, tf.float32)


class SavedWeightsTest(tf.test.TestCase):
    def _named(self, *names):
        general = ensembles.General()
        general.student_names = names
        general.connect(len(names))
        return general

    def test_they_are_found_by_the_names_of_students(self):
        general, store = self._named("c", "a", "b"), {}
        general.student_weights.assign([0.5, 0.2, 0.3])
        general.save_own_variables(store)
        turned = self._named("a", "b", "c")
        turned.load_own_variables(store)
        self.assertAllClose(turned.student_weights, [0.2, 0.3, 0.5])

    def test_those_without_names_are_in_the_order_of_the_students(self):
        general, store = _general(2), {}
        general.student_weights.assign([0.25, 0.75])
        general.save_own_variables(store)
        self.assertEqual(list(store), ["0"])
        loaded = self._named("z", "a")
        loaded.load_own_variables(store)
        self.assertAllClose(loaded.student_weights, [0.25, 0.75])


class SerializationTest(tf.test.TestCase, parameterized.TestCase):
    def test_every_ensemble_is_here(self):
        self.assertCountEqual(_subclasses(ensembles.Ensemble), _CONFIGURATIONS)

    @parameterized.parameters(*_CONFIGURATIONS)
    def test_it_survives_keras(self, cls):
        ensemble = cls(**_CONFIGURATIONS[cls])
        config = keras.saving.serialize_keras_object(ensemble)
        copy = keras.saving.deserialize_keras_object(config)
        self.assertIs(type(copy), cls)
        self.assertEqual(copy.get_config(), ensemble.get_config())
        for key, value in _CONFIGURATIONS[cls].items():
            self.assertEqual(getattr(copy, key), value)
        self.assertIsNot(keras.saving.get_registered_object(f"kdcl_tf>{cls.__name__}"), None)


class GetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("naive", ensembles.Naive),
        ("linear", ensembles.Linear),
        ("min_logit", ensembles.MinLogit),
        ("general", ensembles.General),
    )
    def test_names(self, name, cls):
        self.assertIs(type(ensembles.get(name)), cls)

    def test_an_object_is_itself(self):
        ensemble = ensembles.Naive()
        self.assertIs(ensembles.get(ensemble), ensemble)

    @parameterized.parameters("best", "", None, 3, ensembles.Naive)
    def test_anything_else_lists_the_names(self, identifier):
        message = "unknown ensemble: expected one of naive, linear, min_logit, general, or.*; got "
        with self.assertRaisesRegex(ValueError, message):
            ensembles.get(identifier)

    @parameterized.parameters(
        ({"error": "l2"}, "error must be 'vector' or 'target'; got 'l2'"),
        ({"constraint": "box"}, "constraint must be 'simplex', 'none' or 'equal'; got 'box'"),
        ({"ridge": -1.0}, "ridge must be >= 0; got -1.0"),
        ({"ridge": float("nan")}, "ridge must be >= 0; got nan"),
    )
    def test_wrong_settings_of_general(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            ensembles.General(**settings)


if __name__ == "__main__":
    tf.test.main()
