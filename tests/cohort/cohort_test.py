"""Tests of kdcl_tf.cohort: what `fit`, `evaluate` and `predict` promise."""

import os
import pathlib
import re

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import methods
from tests.small_cohort import (
    CohortTestCase,
    Subclassed,
    compiled,
    compiled_graph,
    fit,
    identity_student,
    make_data,
    make_student,
    make_students,
)

_OWN = ("accuracy", "top_5_accuracy", "cross_entropy", "distillation_loss")


class HistoryTest(CohortTestCase):
    def test_every_student_has_its_metrics_and_the_cohort_two(self):
        history = fit(compiled(), validation_data=make_data(seed=1))
        names = [f"{name}_{kind}" for name in "za" for kind in _OWN] + ["loss", "ensemble_accuracy"]
        self.assertCountEqual(history, [*names, *[f"val_{name}" for name in names]])

    def test_known_values(self):
        logits = np.log([[1, 2, 3, 4, 5, 5], [5, 4, 4, 3, 2, 2]]).astype(np.float32)
        views = {"z": logits, "a": np.zeros_like(logits)}
        students = {"z": identity_student(), "a": identity_student()}
        cohort = compiled(
            students=students,
            settings={"ensemble": "naive", "temperature": 1.0, "distillation_weight": 0.5},
        )
        found = cohort.evaluate(views, np.array([0, 0]), verbose=0, return_dict=True)
        # Probabilities of class 0: z has 1/20 and 5/20, a has 1/6, as of all others, which is
        # no hit.  The best student is a on
        # the first image and z on the second.
        p = np.array([[1, 2, 3, 4, 5, 5], [5, 4, 4, 3, 2, 2]]) / 20
        z_learns = np.log(1 / 6 / p[0]).mean() / 2
        a_learns = (p[1] * np.log(6 * p[1])).sum() / 2
        z_loses, a_loses = np.log([20, 4]).mean(), np.log(6.0)
        expected = {
            "z_accuracy": 0.5,
            "a_accuracy": 0.0,
            "z_top_5_accuracy": 0.5,
            "a_top_5_accuracy": 0.0,
            "z_cross_entropy": z_loses,
            "a_cross_entropy": a_loses,
            "z_distillation_loss": z_learns,
            "a_distillation_loss": a_learns,
            "ensemble_accuracy": 0.5,
            "loss": z_loses + a_loses + 0.5 * (z_learns + a_learns),
        }
        self.assertAllClose(found, expected, atol=1e-5)

    def test_the_loss_is_the_sum_of_its_parts(self):
        students = make_students(regularizer=keras.regularizers.L2(0.1))
        cohort = compiled(students=students, settings={"distillation_weight": 0.3})
        penalty = sum(
            0.1 * (each.layers[-1].get_weights()[0] ** 2).sum() for each in students.values()
        )
        found = cohort.evaluate(*make_data(), batch_size=5, verbose=0, return_dict=True)
        parts = sum(found[f"{name}_cross_entropy"] for name in "za")
        parts += 0.3 * sum(found[f"{name}_distillation_loss"] for name in "za")
        self.assertGreater(penalty, 0.1)
        self.assertAllClose(found["loss"], parts + penalty, atol=1e-5)

    def test_evaluation_counts_every_image_once(self):
        cohort = compiled()
        whole = cohort.evaluate(*make_data(), batch_size=14, verbose=0, return_dict=True)
        parts = cohort.evaluate(*make_data(), batch_size=4, verbose=0, return_dict=True)
        self.assertAllClose(whole, parts, atol=1e-5)

    def test_metrics_start_anew_every_epoch(self):
        history = fit(compiled(optimizer=keras.optimizers.SGD(0.0)), epochs=3)
        self.assertAllClose(history["loss"], [history["loss"][0]] * 3, atol=1e-6)


class InputTest(CohortTestCase):
    def test_numpy_datasets_and_equal_views_train_alike(self):
        images, labels = make_data()
        expected = compiled()
        fit(expected)
        views = {"a": images, "z": images}
        dataset = tf.data.Dataset.from_tensor_slices((views, labels)).batch(5)
        for data, kwargs in (((views, labels), {}), ((dataset,), {"batch_size": None})):
            cohort = compiled()
            fit(cohort, *data, **kwargs)
            self.assert_same_weights(cohort, expected)

    def test_every_student_sees_its_own_view(self):
        students = {"z": make_student(4, size=3), "a": make_student(7, size=5)}
        views = {"a": make_data(size=5)[0], "z": make_data(size=3, seed=1)[0]}
        cohort = compiled(students=students)
        history = fit(cohort, views, make_data()[1], validation_data=(views, make_data()[1]))
        self.assertAllEqual(np.isfinite(history["val_loss"]), [True])
        predicted = cohort.predict(views, verbose=0)
        for name, student in students.items():
            self.assertAllClose(predicted[name], student.predict(views[name], verbose=0))

    @parameterized.parameters("one-hot", "column", "int32")
    def test_labels_of_every_form_train_alike(self, form):
        images, labels = make_data()
        forms = {
            "one-hot": np.eye(6, dtype=np.float32)[labels],
            "column": labels[:, np.newaxis],
            "int32": labels.astype(np.int32),
        }
        cohort, expected = compiled(), compiled()
        history = fit(cohort, images, forms[form])
        self.assertAllClose(history, fit(expected), atol=1e-5)
        self.assert_same_weights(cohort, expected, atol=1e-5)

    def test_soft_labels(self):
        images, labels = make_data()
        soft = (0.9 * np.eye(6)[labels] + 0.1 / 6).astype(np.float32)
        self.assertLess(*fit(compiled_graph(), images, soft, epochs=20)["loss"][::-19])

    def test_predict_gives_the_logits_of_every_student(self):
        cohort = compiled_graph()
        predicted = cohort.predict(make_data()[0], batch_size=5, verbose=0)
        self.assertCountEqual(predicted, ["z", "a"])
        for name, student in cohort.students.items():
            self.assertAllEqual(
                predicted[name], student.predict(make_data()[0], batch_size=5, verbose=0)
            )


class SampleWeightTest(CohortTestCase):
    weights = np.linspace(0.0, 2.0, 14)

    def test_it_is_keras_convention(self):
        plain = make_student()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.SGD(0.2, momentum=0.9), loss)
        cohort = compiled(students={"only": make_student()})
        expected = fit(plain, sample_weight=self.weights)
        found = fit(cohort, sample_weight=self.weights)
        self.assertAllClose(found["loss"], expected["loss"], atol=1e-5)
        self.assert_same_weights(cohort, plain)

    def test_it_scales_both_losses_of_every_image_and_not_the_accuracy(self):
        cohort = compiled()
        images, labels = make_data()
        options = {"verbose": 0, "return_dict": True, "batch_size": 14}
        found = cohort.evaluate(images, labels, sample_weight=self.weights, **options)
        alone = [
            cohort.evaluate(images[i : i + 1], labels[i : i + 1], **options) for i in range(14)
        ]
        for name in ("loss", "z_cross_entropy", "a_distillation_loss"):
            expected = (self.weights * [each[name] for each in alone]).sum() / 14
            self.assertAllClose(found[name], expected, atol=1e-5)
        for name in ("z_accuracy", "ensemble_accuracy"):
            self.assertAllClose(found[name], np.mean([each[name] for each in alone]))

    def test_a_weight_of_two_is_a_rate_of_two(self):
        doubled = compiled(optimizer=keras.optimizers.SGD(0.1))
        fit(doubled, sample_weight=np.full([14, 1], 2.0))
        expected = compiled(optimizer=keras.optimizers.SGD(0.2))
        fit(expected)
        self.assert_same_weights(doubled, expected)

    def test_class_weight_is_the_sample_weight_of_the_class(self):
        by_class = {each: 0.5 + 0.25 * each for each in range(6)}
        cohort, expected = compiled(), compiled()
        fit(cohort, class_weight=by_class)
        fit(expected, sample_weight=np.array([by_class[each] for each in make_data()[1]]))
        self.assert_same_weights(cohort, expected)

    def test_weighted_metrics(self):
        cohort = compiled(metrics=["accuracy"], weighted_metrics=["accuracy"])
        found = cohort.evaluate(
            *make_data(), sample_weight=self.weights, verbose=0, return_dict=True
        )
        predicted = cohort.predict(make_data()[0], verbose=0)
        hits = predicted["a"].argmax(-1) == make_data()[1]
        self.assertAllClose(found["a_weighted_accuracy"], np.average(hits, weights=self.weights))
        self.assertAllClose(found["a_accuracy"], hits.mean())


class OptimizerTest(CohortTestCase):
    def test_one_for_each_is_one_for_all(self):
        students = make_students()
        each = {name: keras.optimizers.SGD(0.2, momentum=0.9) for name in ("a", "z")}
        cohort, expected = compiled(students=students, optimizer=each), compiled()
        self.assertAllClose(fit(cohort), fit(expected), atol=1e-6)
        self.assert_same_weights(cohort, expected)

    def test_every_student_follows_its_own(self):
        optimizers = {"z": keras.optimizers.SGD(0.0), "a": "adam"}
        cohort, before = compiled(optimizer=optimizers), make_students()
        fit(cohort)
        self.assert_same_weights(cohort.students["z"], before["z"])
        self.assertNotAllClose(cohort.students["a"].get_weights()[0], before["a"].get_weights()[0])

    def test_names_of_optimizers(self):
        cohort = compiled(optimizer={"z": "sgd", "a": "sgd"})
        self.assertIsNot(*cohort.student_optimizers.values())
        fit(cohort)

    @parameterized.parameters(True, False)
    def test_a_frozen_student_teaches_and_stays(self, per_student):
        students = make_students()
        students["z"].trainable = False
        optimizer = {"z": "sgd", "a": "sgd"} if per_student else "sgd"
        cohort = compiled(students=students, optimizer=optimizer)
        history = fit(cohort)
        self.assert_same_weights(cohort.students["z"], make_student(4))
        self.assertGreater(history["a_distillation_loss"][0], 0.0)

    def test_the_loss_scale_of_half_precision_changes_nothing(self):
        scaled = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.2, momentum=0.9), initial_scale=64.0
        )
        cohort, expected = compiled(optimizer=scaled), compiled()
        fit(cohort)
        fit(expected)
        self.assert_same_weights(cohort, expected)


class ExecutionTest(CohortTestCase):
    @parameterized.parameters({}, {"steps_per_execution": 2}, {"jit_compile": True})
    def test_every_way_to_run_gives_the_students_of_eager_execution(self, **options):
        cohort, expected = compiled_graph(**options), compiled()
        self.assertAllClose(fit(cohort), fit(expected), atol=1e-4)
        self.assert_same_weights(cohort, expected, atol=1e-5)

    def test_the_same_seed_twice(self):
        weights = []
        for _ in range(2):
            keras.utils.set_random_seed(5)
            cohort = compiled_graph(students=make_students(dropout=0.5))
            fit(cohort, shuffle=True)
            weights.append(cohort.get_weights())
        for found, expected in zip(*weights):
            self.assertAllEqual(found, expected)


class StudentsTest(CohortTestCase):
    def test_sequential_functional_and_subclassed_models_with_dropout_learn(self):
        images = keras.Input((5,))
        hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(8, "relu")(images))
        subclassed = Subclassed()
        subclassed(np.zeros([1, 5], np.float32))
        students = {
            "sequential": make_student(8, dropout=0.2),
            "functional": keras.Model(images, keras.layers.Dense(6)(hidden)),
            "subclassed": subclassed,
        }
        cohort = compiled_graph(students=students, optimizer=keras.optimizers.Adam(0.02))
        history = fit(cohort, epochs=20)
        for name in students:
            losses = history[f"{name}_cross_entropy"]
            self.assertLess(losses[-1], losses[0])

    def test_they_are_the_callers_own_objects(self):
        students = make_students()
        before = [each.get_weights() for each in students.values()]
        cohort = compiled(students=students)
        for (name, student), weights in zip(students.items(), before):
            self.assertIs(cohort.students[name], student)
            self.assertTrue(student.trainable)
            for found, expected in zip(student.get_weights(), weights):
                self.assertAllEqual(found, expected)
        students.pop("a")
        self.assertLen(cohort.students, 2)

    def test_moving_statistics_are_each_students_own(self):
        def normalized():
            layers = [keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(6)]
            return keras.Sequential(layers)

        images, labels = make_data()
        cohort = compiled(students={"z": normalized(), "a": normalized()})
        fit(cohort, {"z": images, "a": images + 10.0}, labels, epochs=1, batch_size=14)
        for name, shift in (("z", 0.0), ("a", 10.0)):
            mean = cohort.students[name].layers[0].moving_mean
            self.assertAllClose(mean, 0.01 * (images.mean(0) + shift), atol=1e-5)

    def test_layers_penalties_reach_only_their_student(self):
        students = {
            "z": make_student(4, regularizer=keras.regularizers.L2(0.5)),
            "a": make_student(7),
        }
        cohort = compiled(methods.Independent, students)
        fit(cohort)
        plain = make_student(4, regularizer=keras.regularizers.L2(0.5))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.SGD(0.2, momentum=0.9), loss)
        fit(plain)
        self.assert_same_weights(students["z"], plain)

    def test_a_fitted_student_goes_on_alone(self):
        cohort = compiled()
        fit(cohort)
        path = os.path.join(self.get_temp_dir(), "student.keras")
        cohort.students["a"].save(path)
        alone = keras.saving.load_model(path)
        images = make_data()[0]
        self.assertAllClose(alone(images), cohort(images)["a"])


class PrecisionTest(CohortTestCase):
    def test_the_global_policy(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        cohort = compiled_graph(settings={"ensemble": "linear"})
        self.assertEqual(cohort.students["z"].layers[0].compute_dtype, "bfloat16")
        history = fit(cohort, epochs=15)
        self.assertLess(history["loss"][-1], history["loss"][0])
        logits = cohort.forward(cohort.views(make_data()[0]))
        self.assertEqual(logits.dtype, tf.float32)
        for variable in cohort.trainable_variables:
            self.assertEqual(variable.dtype, "float32")

    def test_students_of_different_precision(self):
        students = {"z": make_student(4, dtype="mixed_bfloat16"), "a": make_student(7)}
        predicted = compiled_graph(students=students).predict(make_data()[0], verbose=0)
        self.assertAllEqual(predicted["a"], make_student(7).predict(make_data()[0], verbose=0))
        self.assertAllClose(
            predicted["z"], make_student(4).predict(make_data()[0], verbose=0), atol=0.05
        )
        history = fit(compiled_graph(students=students), epochs=15)
        self.assertLess(history["loss"][-1], history["loss"][0])


class Wrapping(keras.optimizers.Optimizer):
    """Leaves all to another optimizer."""

    def __init__(self):
        super().__init__(learning_rate=0.1)
        self.base = keras.optimizers.SGD(0.1, momentum=0.9)

    def build(self, variables):
        self.base.build(variables)

    def apply(self, grads, trainable_variables=None):
        self.base.apply(grads, trainable_variables)


class WrappingTest(CohortTestCase):
    @parameterized.parameters(True, False)
    def test_it_trains_as_the_optimizer_inside(self, run_eagerly):
        def trained(one):
            scaled = keras.optimizers.LossScaleOptimizer(one(), initial_scale=8.0)
            cohort = compiled(optimizer={"z": one(), "a": scaled}, run_eagerly=run_eagerly)
            fit(cohort)
            return cohort

        self.assert_same_weights(trained(Wrapping), trained(lambda: Wrapping().base))


class KnowledgeTest(tf.test.TestCase):
    def test_the_room_of_the_cohort_names_no_method(self):
        folder = pathlib.Path(kdcl_tf.cohort.__file__).parent
        methods = "|".join([*kdcl_tf.methods.__all__, "General", "ensembles", "teach", "gate[ds]?"])
        for path in folder.rglob("*.py"):
            found = re.findall(rf"\b(?:{methods})", path.read_text())
            self.assertEmpty(found, path.name)


if __name__ == "__main__":
    tf.test.main()
