"""Tests of kdcl_tf.training.factory."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import data
from kdcl_tf.training import factory, session
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.settings import Settings


def _compiled(**settings):
    common = {"students": ("resnet8", "wrn_10_1"), "holdout_per_class": 1}
    settings = Settings(**{**common, **settings})
    return factory.create_compiled(settings, data.load("digits", image_size=8), 3)


def _values(cohort):
    return [np.array(variable) for variable in session.all_variables(cohort)]


class FactoryTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("kdcl", "naive", kdcl_tf.Naive),
        ("kdcl", "linear", kdcl_tf.Linear),
        ("kdcl", "min_logit", kdcl_tf.MinLogit),
        ("kdcl", "general", kdcl_tf.General),
        ("independent", "general", None),
        ("mutual_learning", "general", None),
    )
    def test_methods_and_ensembles(self, method, ensemble, kind):
        cohort = _compiled(method=method, ensemble=ensemble, distillation_weight=0.5)
        classes = {
            "kdcl": kdcl_tf.KDCL,
            "independent": kdcl_tf.Independent,
            "mutual_learning": kdcl_tf.MutualLearning,
        }
        self.assertIs(type(cohort), classes[method])
        self.assertIs(type(getattr(cohort, "ensemble", None)), kind or type(None))
        self.assertEqual(cohort.temperature, 2.0 if method == "kdcl" else 1.0)
        self.assertEqual(cohort.distillation_weight, 0.5)

    def test_the_optimizer_is_that_of_the_settings(self):
        optimizer = _compiled(learning_rate=0.3, momentum=0.8, weight_decay=0.01).optimizer
        self.assertIsInstance(optimizer, CoupledSGD)
        self.assertEqual((optimizer.momentum, optimizer.coupled_weight_decay), (0.8, 0.01))
        self.assertFalse(optimizer.nesterov)
        self.assertAllClose(optimizer.learning_rate, 0.3)

    def test_the_seed_alone_decides_the_weights(self):
        first, again, other = (_values(_compiled(seed=seed)) for seed in (3, 3, 4))
        for one, two in zip(first, again, strict=True):
            self.assertAllEqual(one, two)
        self.assertNotAllEqual(first[0], other[0])

    def test_students_of_one_architecture_differ(self):
        cohort = _compiled(students=("resnet8", "resnet8"))
        self.assertEqual(list(cohort.students), ["resnet8", "resnet8_2"])
        first, second = (each.get_layer("stem_conv") for each in cohort.students.values())
        self.assertNotAllEqual(first.kernel, second.kernel)

    def test_a_second_cohort_of_a_process_has_the_same_variables(self):
        """Keras counts unnamed things up, and a checkpoint is refused for another name."""
        first, second = (
            [variable.path for variable in session.all_variables(_compiled())] for _ in range(2)
        )
        self.assertEqual(first, second)

    def test_bfloat16_is_for_activations_only(self):
        cohort = _compiled(precision="bfloat16")
        for student in cohort.students.values():
            self.assertEqual(student.get_layer("stem_conv").compute_dtype, "bfloat16")
            self.assertEqual({str(each.dtype) for each in student.variables}, {"float32"})
        self.assertEqual(keras.config.dtype_policy().name, "float32")


if __name__ == "__main__":
    tf.test.main()
