"""Tests of kdcl_tf.classification.factory."""

import dataclasses
import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import data, serving, students
from kdcl_tf.classification import factory
from kdcl_tf.classification.settings import METHODS, Settings
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.optimizers import CoupledSGD


def _compiled(**settings):
    common = {"students": ("resnet8", "wrn_10_1"), "holdout_per_class": 1}
    settings = Settings(**{**common, **settings})
    return factory.create_compiled(settings, data.load("digits", image_size=8), 3)


def _values(cohort):
    return [np.array(variable) for variable in all_variables(cohort)]


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

    @parameterized.product(error=("vector", "target"), constraint=("simplex", "none"))
    def test_generals_equations(self, error, constraint):
        ensemble = _compiled(
            ensemble="general", general_error=error, general_constraint=constraint
        ).ensemble
        self.assertEqual((ensemble.error, ensemble.constraint), (error, constraint))
        self.assertEqual(ensemble.name, "general")

    def test_the_settings_name_every_method_and_no_other(self):
        classes = [name.replace("_", "") for name in METHODS]
        self.assertCountEqual(classes, [name.lower() for name in kdcl_tf.methods.__all__])

    @parameterized.parameters(("one", kdcl_tf.ONE, 3), ("clnn", kdcl_tf.CLNN, 4))
    def test_branches_of_one_network(self, method, kind, branches):
        cohort = _compiled(method=method, students=("resnet8",), ensemble="naive")
        self.assertIs(type(cohort), kind)
        self.assertLen(cohort.students, branches)
        self.assertEqual(list(cohort.students)[:2], ["resnet8", "resnet8_2"])
        if method == "one":
            # 27 of 100 epochs, 3 steps each.
            self.assertEqual(cohort.ramp_up_steps, 81)

    def test_a_teacher_sees_the_pixels_that_it_learned_from(self):
        dataset = data.load("digits", image_size=8)
        darker = dataclasses.replace(
            dataset, normalization=Normalization((0.1, 0.2, 0.3), (1.0, 0.9, 0.8))
        )
        path = pathlib.Path(self.create_tempdir().full_path) / "teacher"
        model = students.build("resnet8", 10, dataset.image_shape)
        serving.export_student(model, path, card=Card.of(model, darker))
        cohort = _compiled(
            method="offline_distillation", teacher=str(path), ensemble="naive", image_size=8
        )
        images = dataset.test.images[:5]
        self.assertAllClose(
            cohort.teacher(dataset.normalization.apply(images)),
            model(darker.normalization.apply(images)),
            atol=1e-4,
        )

    def test_a_teacher_for_other_images_is_refused(self):
        dataset = data.load("digits", image_size=16)
        path = pathlib.Path(self.create_tempdir().full_path) / "teacher"
        model = students.build("resnet8", 10, dataset.image_shape)
        serving.export_student(model, path, card=Card.of(model, dataset))
        with self.assertRaisesRegex(
            ValueError, "images of shape .8, 8, 3., those of digits; got one of .16, 16, 3."
        ):
            _compiled(method="offline_distillation", teacher=str(path), ensemble="naive")

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
            [variable.path for variable in all_variables(_compiled())] for _ in range(2)
        )
        self.assertEqual(first, second)

    def test_steps_do_not_check_labels_again_and_xla_compiles_them_if_asked(self):
        self.assertFalse(_compiled().checks_labels)
        self.assertFalse(_compiled().compilation)
        self.assertTrue(_compiled(jit_compile=True).compilation)

    def test_bfloat16_is_for_activations_only(self):
        cohort = _compiled(precision="bfloat16")
        for student in cohort.students.values():
            self.assertEqual(student.get_layer("stem_conv").compute_dtype, "bfloat16")
            self.assertEqual({str(each.dtype) for each in student.variables}, {"float32"})
        self.assertEqual(keras.config.dtype_policy().name, "float32")


if __name__ == "__main__":
    tf.test.main()
