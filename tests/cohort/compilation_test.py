"""Tests of steps that XLA compiles, against those of the same cohort that it does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf.cohort.compilation import Compilation
from kdcl_tf.students.normalization import FusedBatchNormalization
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    compiled_graph,
    fit,
    make_branches,
    make_data,
    make_student,
    make_students,
)


def _convolutional(filters, seed, synchronized=False, regularizer=None):
    """Smooth: at a kink rounding would decide the gradient."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(
                filters, 3, kernel_initializer=keras.initializers.GlorotUniform(seed=seed)
            ),
            FusedBatchNormalization(synchronized=synchronized),
            keras.layers.Activation("gelu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(
                6,
                kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 1),
                kernel_regularizer=regularizer,
            ),
        ]
    )


def _pictures(examples=14):
    rng = np.random.default_rng(1)
    images = rng.normal(size=[examples, 6, 6, 3]).astype(np.float32)
    return images, rng.integers(6, size=examples)


def _one_step(cohort, data, **kwargs):
    return fit(cohort, *data, batch_size=len(data[0]), epochs=1, **kwargs)


class CompilationTest(CohortTestCase):
    def _assert_same_step(self, make, data, atol=1e-5, **kwargs):
        """`make` is called with `jit_compile`; returns the compiled cohort."""
        cohorts = []
        for jit_compile in (True, False):
            keras.utils.set_random_seed(1)
            cohorts.append(make(jit_compile=jit_compile))
        found, expected = (_one_step(each, data, **kwargs) for each in cohorts)
        self.assertAllClose(found, expected, atol=atol)
        self.assert_same_weights(*cohorts, atol=atol)
        return cohorts

    @parameterized.parameters("naive", "linear", "min_logit", "general")
    @pytest.mark.slow
    def test_a_step_of_every_ensemble(self, ensemble):
        settings = {"ensemble": ensemble}
        self._assert_same_step(
            lambda **kwargs: compiled_graph(settings=settings, **kwargs), make_data()
        )

    @parameterized.parameters(kdcl_tf.Independent, kdcl_tf.MutualLearning)
    def test_a_step_of_every_method_with_students_apart(self, method):
        self._assert_same_step(lambda **kwargs: compiled_graph(method, **kwargs), make_data())

    @parameterized.parameters((kdcl_tf.ONE, 3), (kdcl_tf.CLNN, 4))
    @pytest.mark.slow
    def test_a_step_of_branches(self, method, count):
        self._assert_same_step(
            lambda **kwargs: compiled_graph(method, make_branches(count), **kwargs), make_data()
        )

    def test_a_step_of_offline_distillation(self):
        settings = {"teacher": make_student(9)}
        self._assert_same_step(
            lambda **kwargs: compiled_graph(
                kdcl_tf.OfflineDistillation, settings=settings, **kwargs
            ),
            make_data(),
        )

    def test_moving_statistics_penalties_weights_and_parts(self):
        def make(**kwargs):
            students = {
                "z": _convolutional(4, seed=0, regularizer=keras.regularizers.L2(0.01)),
                "a": _convolutional(3, seed=2),
            }
            return compiled_graph(students=students, accumulation_steps=2, **kwargs)

        weights = np.linspace(0.0, 2.0, 14)
        compiled_cohort, _ = self._assert_same_step(make, _pictures(), sample_weight=weights)
        self.assertNotAllClose(compiled_cohort.students["z"].layers[1].moving_mean, np.zeros(4))

    def test_synchronized_batch_norm_on_one_device(self):
        def make(**kwargs):
            students = {"z": _convolutional(4, 0, True), "a": _convolutional(3, 2, True)}
            return compiled_graph(students=students, **kwargs)

        compiled_cohort, _ = self._assert_same_step(make, _pictures())
        self.assertTrue(compiled_cohort.compilation)

    def test_the_loss_scale_of_float16(self):
        def make(**kwargs):
            return compiled_graph(students=make_students(dtype="mixed_float16"), **kwargs)

        cohorts = self._assert_same_step(make, make_data(), atol=5e-3)
        self.assertIsInstance(cohorts[0].optimizer, keras.optimizers.LossScaleOptimizer)

    def test_evaluation_and_prediction(self):
        found, expected = (compiled_graph(jit_compile=each) for each in (True, False))
        images, labels = make_data()
        self.assertAllClose(
            found.evaluate(images, labels, verbose=0, return_dict=True),
            expected.evaluate(images, labels, verbose=0, return_dict=True),
            atol=1e-5,
        )
        wanted = expected.predict(images, verbose=0)
        self.assertAllClose(found.predict(images, verbose=0), wanted, atol=1e-5)

    def test_labels_that_are_no_classes_are_told_of(self):
        cohort = compiled_graph(jit_compile=True)
        images, labels = make_data()
        with self.assertRaisesRegex(ValueError, "whole numbers from 0 to 5; got 6"):
            fit(cohort, images, np.where(labels == 0, 6, labels))

    def test_xla_compiles_the_forward_and_backward_pass_alone(self):
        cohort = compiled_graph(jit_compile=True)
        batch = tuple(tf.constant(each) for each in make_data())
        graph = tf.function(cohort.train_step, autograph=False).get_concrete_function(batch).graph
        compiled_by_xla = [
            each
            for each in graph.get_operations()
            if "_XlaMustCompile" in each.node_def.attr and each.get_attr("_XlaMustCompile")
        ]
        self.assertLen(compiled_by_xla, 1)
        # The update and the metrics are ops beside it.
        kinds = {each.type for each in graph.get_operations()}
        self.assertIn("AssignAddVariableOp", kinds)

    def test_only_what_is_trained_is_penalised_in_an_evaluation(self):
        images, labels = _pictures()
        losses = []
        for compiled_too in (True, False):
            student = _convolutional(4, seed=0, regularizer=keras.regularizers.L2(0.5))
            cohort = compiled_graph(students={"a": student}, jit_compile=compiled_too)
            for trained in (False, True):
                student.layers[-1].trainable = trained
                cohort.reset_metrics()
                test = tf.function(cohort.test_step, autograph=False)
                losses.append(float(test((tf.constant(images), tf.constant(labels)))["loss"]))
        self.assertAllClose(losses[:2], losses[2:], atol=1e-5)
        self.assertGreater(losses[1], losses[0] + 0.1)

    def test_what_is_trained_may_change_from_one_graph_to_the_next(self):
        cohorts = [compiled_graph(jit_compile=each) for each in (True, False)]
        batch = tuple(tf.constant(each) for each in make_data())
        for trained in (False, True):
            kernel = cohorts[0].students["a"].layers[0].kernel
            before = kernel.numpy()
            for cohort in cohorts:
                for student in cohort.students.values():
                    student.layers[0].trainable = trained
                tf.function(cohort.train_step, autograph=False)(batch)
            self.assert_same_weights(*cohorts, atol=1e-5)
            self.assertEqual(np.abs(kernel.numpy() - before).max() > 0.0, trained)

    @parameterized.parameters(False, None, "auto")
    def test_it_is_off_by_default(self, jit_compile):
        self.assertFalse(compiled_graph().compilation)
        self.assertFalse(compiled_graph(jit_compile=jit_compile).compilation)

    def test_eagerly_it_is_off_and_says_so(self):
        with self.assertWarnsRegex(UserWarning, "run_eagerly turns jit_compile off"):
            self.assertFalse(compiled(jit_compile=True, run_eagerly=True).compilation)

    def test_another_value_is_refused(self):
        with self.assertRaisesRegex(ValueError, "jit_compile .*True, False or 'auto'; got 'yes'"):
            compiled_graph(jit_compile="yes")

    def test_a_saved_cohort_keeps_it(self):
        path = self.create_tempfile("cohort.keras").full_path
        compiled_graph(jit_compile=True).save(path)
        self.assertTrue(keras.saving.load_model(path).compilation)

    def test_a_function_is_compiled_once_and_left_alone_when_off(self):
        on, off = Compilation(True), Compilation(False)
        self.assertIs(on(tf.square), on(tf.square))
        self.assertIs(on(tf.square, (True,)), on(tf.square, (True,)))
        self.assertIsNot(on(tf.square, (True,)), on(tf.square, (False,)))
        self.assertIs(off(tf.square), tf.square)
        self.assertAllClose(on(tf.square)(tf.constant([1.0, 2.0])), [1.0, 4.0])
