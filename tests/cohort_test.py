"""Tests of kdcl_tf.cohort: what `fit`, `evaluate`, `predict`, saving and loading promise."""

import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import cohort as cohort_lib
from kdcl_tf import methods

_OWN = ("accuracy", "top_5_accuracy", "cross_entropy", "distillation_loss")
# A subclass that is not here fails `SerializationTest`.
_METHODS = {
    methods.KDCL: {"ensemble": "general", "temperature": 3.0},
    methods.Independent: {},
    methods.MutualLearning: {"temperature": 1.5, "distillation_weight": 0.5},
}


@keras.saving.register_keras_serializable(package="cohort_test")
class Subclassed(keras.Model):
    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.normalization = keras.layers.BatchNormalization()
        self.logits = keras.layers.Dense(units)

    def call(self, inputs, training=False):
        return self.logits(self.normalization(inputs, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _initializer(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def _student(units=4, size=5, classes=6, dropout=0.0, regularizer=None, dtype=None):
    return keras.Sequential(
        [
            keras.Input((size,)),
            keras.layers.Dense(units, "tanh", dtype=dtype, kernel_initializer=_initializer(units)),
            keras.layers.Dropout(dropout, seed=units, dtype=dtype),
            keras.layers.Dense(
                classes,
                dtype=dtype,
                kernel_initializer=_initializer(units + 1),
                kernel_regularizer=regularizer,
            ),
        ]
    )


def _students(**kwargs):
    """Two students whose names are not in alphabetical order."""
    return {"z": _student(4, **kwargs), "a": _student(7, **kwargs)}


def _data(examples=14, size=5, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, size]).astype(np.float32)
    return images, rng.integers(6, size=examples)


def _compiled(method=methods.KDCL, students=None, optimizer=None, settings=None, **kwargs):
    """Eager where a graph would be traced for a few steps; `ExecutionTest` shows them equal."""
    cohort = method(students or _students(), **(settings or {}))
    optimizer = optimizer or keras.optimizers.SGD(0.2, momentum=0.9)
    cohort.compile(optimizer, **{"run_eagerly": True, **kwargs})
    return cohort


def _compiled_graph(*args, **kwargs):
    return _compiled(*args, run_eagerly=False, **kwargs)


def _fit(model, *data, **kwargs):
    kwargs = {"batch_size": 5, "epochs": 2, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(*(data or _data()), **kwargs).history


def _identity_student(classes=6):
    """Its logits are its inputs."""
    head = keras.layers.Dense(classes, use_bias=False, kernel_initializer="identity")
    return keras.Sequential([keras.Input((classes,)), head])


class _CohortTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(1)

    def assert_same_weights(self, found, expected, atol=1e-6):
        found, expected = found.get_weights(), expected.get_weights()
        self.assertLen(found, len(expected))
        for each, wanted in zip(found, expected):
            self.assertAllClose(each, wanted, atol=atol)


class HistoryTest(_CohortTestCase):
    def test_every_student_has_its_metrics_and_the_cohort_two(self):
        history = _fit(_compiled(), validation_data=_data(seed=1))
        names = [f"{name}_{kind}" for name in "za" for kind in _OWN] + ["loss", "ensemble_accuracy"]
        self.assertCountEqual(history, [*names, *[f"val_{name}" for name in names]])

    def test_known_values(self):
        logits = np.log([[1, 2, 3, 4, 5, 5], [5, 4, 4, 3, 2, 2]]).astype(np.float32)
        views = {"z": logits, "a": np.zeros_like(logits)}
        students = {"z": _identity_student(), "a": _identity_student()}
        cohort = _compiled(
            students=students,
            settings={"ensemble": "naive", "temperature": 1.0, "distillation_weight": 0.5},
        )
        found = cohort.evaluate(views, np.array([0, 0]), verbose=0, return_dict=True)
        # Probabilities of class 0: z has 1/20 and 5/20, a has 1/6.  The best student is a on
        # the first image and z on the second.
        p = np.array([[1, 2, 3, 4, 5, 5], [5, 4, 4, 3, 2, 2]]) / 20
        z_learns = np.log(1 / 6 / p[0]).mean() / 2
        a_learns = (p[1] * np.log(6 * p[1])).sum() / 2
        z_loses, a_loses = np.log([20, 4]).mean(), np.log(6.0)
        expected = {
            "z_accuracy": 0.5,
            "a_accuracy": 1.0,
            "z_top_5_accuracy": 0.5,
            "a_top_5_accuracy": 1.0,
            "z_cross_entropy": z_loses,
            "a_cross_entropy": a_loses,
            "z_distillation_loss": z_learns,
            "a_distillation_loss": a_learns,
            "ensemble_accuracy": 0.5,
            "loss": z_loses + a_loses + 0.5 * (z_learns + a_learns),
        }
        self.assertAllClose(found, expected, atol=1e-5)

    def test_the_loss_is_the_sum_of_its_parts(self):
        students = _students(regularizer=keras.regularizers.L2(0.1))
        cohort = _compiled(students=students, settings={"distillation_weight": 0.3})
        penalty = sum(
            0.1 * (each.layers[-1].get_weights()[0] ** 2).sum() for each in students.values()
        )
        found = cohort.evaluate(*_data(), batch_size=5, verbose=0, return_dict=True)
        parts = sum(found[f"{name}_cross_entropy"] for name in "za")
        parts += 0.3 * sum(found[f"{name}_distillation_loss"] for name in "za")
        self.assertGreater(penalty, 0.1)
        self.assertAllClose(found["loss"], parts + penalty, atol=1e-5)

    def test_evaluation_counts_every_image_once(self):
        cohort = _compiled()
        whole = cohort.evaluate(*_data(), batch_size=14, verbose=0, return_dict=True)
        parts = cohort.evaluate(*_data(), batch_size=4, verbose=0, return_dict=True)
        self.assertAllClose(whole, parts, atol=1e-5)

    def test_metrics_start_anew_every_epoch(self):
        history = _fit(_compiled(optimizer=keras.optimizers.SGD(0.0)), epochs=3)
        self.assertAllClose(history["loss"], [history["loss"][0]] * 3, atol=1e-6)


class InputTest(_CohortTestCase):
    def test_numpy_datasets_and_equal_views_train_alike(self):
        images, labels = _data()
        expected = _compiled()
        _fit(expected)
        views = {"a": images, "z": images}
        dataset = tf.data.Dataset.from_tensor_slices((views, labels)).batch(5)
        for data, kwargs in (((views, labels), {}), ((dataset,), {"batch_size": None})):
            cohort = _compiled()
            _fit(cohort, *data, **kwargs)
            self.assert_same_weights(cohort, expected)

    def test_every_student_sees_its_own_view(self):
        students = {"z": _student(4, size=3), "a": _student(7, size=5)}
        views = {"a": _data(size=5)[0], "z": _data(size=3, seed=1)[0]}
        cohort = _compiled(students=students)
        history = _fit(cohort, views, _data()[1], validation_data=(views, _data()[1]))
        self.assertAllEqual(np.isfinite(history["val_loss"]), [True, True])
        predicted = cohort.predict(views, verbose=0)
        for name, student in students.items():
            self.assertAllClose(predicted[name], student.predict(views[name], verbose=0))

    @parameterized.parameters("one-hot", "column", "int32")
    def test_labels_of_every_form_train_alike(self, form):
        images, labels = _data()
        forms = {
            "one-hot": np.eye(6, dtype=np.float32)[labels],
            "column": labels[:, np.newaxis],
            "int32": labels.astype(np.int32),
        }
        cohort, expected = _compiled(), _compiled()
        history = _fit(cohort, images, forms[form])
        self.assertAllClose(history, _fit(expected), atol=1e-5)
        self.assert_same_weights(cohort, expected, atol=1e-5)

    def test_soft_labels(self):
        images, labels = _data()
        soft = (0.9 * np.eye(6)[labels] + 0.1 / 6).astype(np.float32)
        self.assertLess(*_fit(_compiled_graph(), images, soft, epochs=20)["loss"][::-19])

    def test_predict_gives_the_logits_of_every_student(self):
        cohort = _compiled_graph()
        predicted = cohort.predict(_data()[0], batch_size=5, verbose=0)
        self.assertCountEqual(predicted, ["z", "a"])
        for name, student in cohort.students.items():
            self.assertAllEqual(
                predicted[name], student.predict(_data()[0], batch_size=5, verbose=0)
            )


class SampleWeightTest(_CohortTestCase):
    weights = np.linspace(0.0, 2.0, 14)

    def test_it_is_keras_convention(self):
        plain = _student()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.SGD(0.2, momentum=0.9), loss)
        cohort = _compiled(students={"only": _student()})
        expected = _fit(plain, sample_weight=self.weights)
        found = _fit(cohort, sample_weight=self.weights)
        self.assertAllClose(found["loss"], expected["loss"], atol=1e-5)
        self.assert_same_weights(cohort, plain)

    def test_it_scales_both_losses_of_every_image_and_not_the_accuracy(self):
        cohort = _compiled()
        images, labels = _data()
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
        doubled = _compiled(optimizer=keras.optimizers.SGD(0.1))
        _fit(doubled, sample_weight=np.full([14, 1], 2.0))
        expected = _compiled(optimizer=keras.optimizers.SGD(0.2))
        _fit(expected)
        self.assert_same_weights(doubled, expected)

    def test_class_weight_is_the_sample_weight_of_the_class(self):
        by_class = {each: 0.5 + 0.25 * each for each in range(6)}
        cohort, expected = _compiled(), _compiled()
        _fit(cohort, class_weight=by_class)
        _fit(expected, sample_weight=np.array([by_class[each] for each in _data()[1]]))
        self.assert_same_weights(cohort, expected)

    def test_weighted_metrics(self):
        cohort = _compiled(metrics=["accuracy"], weighted_metrics=["accuracy"])
        found = cohort.evaluate(*_data(), sample_weight=self.weights, verbose=0, return_dict=True)
        predicted = cohort.predict(_data()[0], verbose=0)
        hits = predicted["a"].argmax(-1) == _data()[1]
        self.assertAllClose(found["a_weighted_accuracy"], np.average(hits, weights=self.weights))
        self.assertAllClose(found["a_accuracy"], hits.mean())


class OptimizerTest(_CohortTestCase):
    def test_one_for_each_is_one_for_all(self):
        students = _students()
        each = {name: keras.optimizers.SGD(0.2, momentum=0.9) for name in ("a", "z")}
        cohort, expected = _compiled(students=students, optimizer=each), _compiled()
        self.assertAllClose(_fit(cohort), _fit(expected), atol=1e-6)
        self.assert_same_weights(cohort, expected)

    def test_every_student_follows_its_own(self):
        optimizers = {"z": keras.optimizers.SGD(0.0), "a": "adam"}
        cohort, before = _compiled(optimizer=optimizers), _students()
        _fit(cohort)
        self.assert_same_weights(cohort.students["z"], before["z"])
        self.assertNotAllClose(cohort.students["a"].get_weights()[0], before["a"].get_weights()[0])

    def test_names_of_optimizers(self):
        cohort = _compiled(optimizer={"z": "sgd", "a": "sgd"})
        self.assertIsNot(*cohort.student_optimizers.values())
        _fit(cohort)

    @parameterized.parameters(True, False)
    def test_a_frozen_student_teaches_and_stays(self, per_student):
        students = _students()
        students["z"].trainable = False
        optimizer = {"z": "sgd", "a": "sgd"} if per_student else "sgd"
        cohort = _compiled(students=students, optimizer=optimizer)
        history = _fit(cohort)
        self.assert_same_weights(cohort.students["z"], _student(4))
        self.assertGreater(history["a_distillation_loss"][0], 0.0)

    def test_the_loss_scale_of_half_precision_changes_nothing(self):
        scaled = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.2, momentum=0.9), initial_scale=64.0
        )
        cohort, expected = _compiled(optimizer=scaled), _compiled()
        _fit(cohort)
        _fit(expected)
        self.assert_same_weights(cohort, expected)


class ExecutionTest(_CohortTestCase):
    @parameterized.parameters({}, {"steps_per_execution": 2}, {"jit_compile": True})
    def test_every_way_to_run_gives_the_students_of_eager_execution(self, **options):
        cohort, expected = _compiled_graph(**options), _compiled()
        self.assertAllClose(_fit(cohort), _fit(expected), atol=1e-4)
        self.assert_same_weights(cohort, expected, atol=1e-5)

    def test_the_same_seed_twice(self):
        weights = []
        for _ in range(2):
            keras.utils.set_random_seed(5)
            cohort = _compiled_graph(students=_students(dropout=0.5))
            _fit(cohort, shuffle=True)
            weights.append(cohort.get_weights())
        for found, expected in zip(*weights):
            self.assertAllEqual(found, expected)


class StudentsTest(_CohortTestCase):
    def test_sequential_functional_and_subclassed_models_with_dropout_learn(self):
        images = keras.Input((5,))
        hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(8, "relu")(images))
        subclassed = Subclassed()
        subclassed(np.zeros([1, 5], np.float32))
        students = {
            "sequential": _student(8, dropout=0.2),
            "functional": keras.Model(images, keras.layers.Dense(6)(hidden)),
            "subclassed": subclassed,
        }
        cohort = _compiled_graph(students=students, optimizer=keras.optimizers.Adam(0.02))
        history = _fit(cohort, epochs=20)
        for name in students:
            losses = history[f"{name}_cross_entropy"]
            self.assertLess(losses[-1], losses[0])

    def test_they_are_the_callers_own_objects(self):
        students = _students()
        before = [each.get_weights() for each in students.values()]
        cohort = _compiled(students=students)
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

        images, labels = _data()
        cohort = _compiled(students={"z": normalized(), "a": normalized()})
        _fit(cohort, {"z": images, "a": images + 10.0}, labels, epochs=1, batch_size=14)
        for name, shift in (("z", 0.0), ("a", 10.0)):
            mean = cohort.students[name].layers[0].moving_mean
            self.assertAllClose(mean, 0.01 * (images.mean(0) + shift), atol=1e-5)

    def test_layers_penalties_reach_only_their_student(self):
        students = {
            "z": _student(4, regularizer=keras.regularizers.L2(0.5)),
            "a": _student(7),
        }
        cohort = _compiled(methods.Independent, students)
        _fit(cohort)
        plain = _student(4, regularizer=keras.regularizers.L2(0.5))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.SGD(0.2, momentum=0.9), loss)
        _fit(plain)
        self.assert_same_weights(students["z"], plain)

    def test_a_fitted_student_goes_on_alone(self):
        cohort = _compiled()
        _fit(cohort)
        path = os.path.join(self.get_temp_dir(), "student.keras")
        cohort.students["a"].save(path)
        alone = keras.saving.load_model(path)
        images = _data()[0]
        self.assertAllClose(alone(images), cohort(images)["a"])


class PrecisionTest(_CohortTestCase):
    def test_the_global_policy(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        cohort = _compiled_graph(settings={"ensemble": "linear"})
        self.assertEqual(cohort.students["z"].layers[0].compute_dtype, "bfloat16")
        history = _fit(cohort, epochs=15)
        self.assertLess(history["loss"][-1], history["loss"][0])
        logits = cohort.stacked_logits(cohort.views(_data()[0]))
        self.assertEqual(logits.dtype, tf.float32)
        for variable in cohort.trainable_variables:
            self.assertEqual(variable.dtype, "float32")

    def test_students_of_different_precision(self):
        students = {"z": _student(4, dtype="mixed_bfloat16"), "a": _student(7)}
        predicted = _compiled_graph(students=students).predict(_data()[0], verbose=0)
        self.assertAllEqual(predicted["a"], _student(7).predict(_data()[0], verbose=0))
        self.assertAllClose(predicted["z"], _student(4).predict(_data()[0], verbose=0), atol=0.05)
        history = _fit(_compiled_graph(students=students), epochs=15)
        self.assertLess(history["loss"][-1], history["loss"][0])


class SavingTest(_CohortTestCase):
    def _path(self, name="cohort.keras"):
        return os.path.join(self.get_temp_dir(), name)

    def _trained(self, optimizer):
        students = _students()
        settings = {"ensemble": kdcl_tf.General(error="target", ridge=0.1), "temperature": 3.0}
        cohort = _compiled_graph(students=students, settings=settings, optimizer=optimizer)
        _fit(cohort)
        cohort.ensemble.student_weights.assign([0.25, 0.75])
        return cohort

    @parameterized.parameters(True, False)
    def test_loading_and_going_on_is_never_having_stopped(self, per_student):
        optimizer = keras.optimizers.SGD(0.2, momentum=0.9)
        if per_student:
            optimizer = {"z": optimizer, "a": keras.optimizers.Adam(0.01)}
        cohort = self._trained(optimizer)
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertEqual(list(loaded.students), ["z", "a"])
        self.assertAllEqual(loaded.ensemble.student_weights, [0.25, 0.75])
        self.assertEqual(loaded.temperature, 3.0)
        self.assert_same_weights(loaded, cohort, atol=0.0)
        self.assertAllClose(_fit(loaded), _fit(cohort), atol=1e-6)
        self.assert_same_weights(loaded, cohort)

    def test_the_settings_of_compile_are_saved(self):
        metric = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
        cohort = _compiled_graph(
            metrics=["accuracy", metric], weighted_metrics=["accuracy"], steps_per_execution=2
        )
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertEqual(loaded.steps_per_execution, 2)
        options = {"batch_size": 5, "verbose": 0, "return_dict": True}
        found = loaded.evaluate(*_data(), **options)
        self.assertIn("a_nats", found)
        self.assertAllClose(found, cohort.evaluate(*_data(), **options))

    def test_a_cohort_that_was_never_compiled(self):
        cohort = methods.KDCL(_students())
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertFalse(loaded.compiled)
        self.assert_same_weights(loaded, cohort, atol=0.0)

    def test_a_subclassed_student(self):
        subclassed = Subclassed()
        subclassed(np.zeros([1, 5], np.float32))
        cohort = _compiled(students={"z": subclassed, "a": _student()})
        _fit(cohort)
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        images = _data()[0]
        self.assertAllClose(loaded(images), cohort(images))

    def test_weights_alone(self):
        cohort = self._trained("sgd")
        cohort.save_weights(self._path("cohort.weights.h5"))
        other = methods.KDCL(_students(), "general")
        other.load_weights(self._path("cohort.weights.h5"))
        self.assert_same_weights(other, cohort, atol=0.0)
        self.assertAllEqual(other.ensemble.student_weights, [0.25, 0.75])

    def test_a_fresh_process_loads_it(self):
        cohort = self._trained("sgd")
        cohort.save(self._path())
        images = _data()[0]
        np.save(self._path("images.npy"), images)
        program = (
            "import sys, keras, numpy, kdcl_tf.methods\n"
            "cohort = keras.saving.load_model(sys.argv[1])\n"
            "predicted = cohort.predict(numpy.load(sys.argv[2]), verbose=0)\n"
            "numpy.savez(sys.argv[3], order=list(cohort.students), **predicted)\n"
        )
        paths = [self._path(name) for name in ("cohort.keras", "images.npy", "out.npz")]
        subprocess.run([sys.executable, "-c", program, *paths], check=True, capture_output=True)
        found = np.load(paths[2])
        self.assertEqual(found["order"].tolist(), ["z", "a"])
        for name, student in cohort.students.items():
            self.assertAllClose(found[name], student.predict(images, verbose=0), atol=1e-6)


def _subclasses(base):
    found = [each for each in base.__subclasses__() if each.__module__.startswith("kdcl_tf")]
    return [*found, *[deeper for each in found for deeper in _subclasses(each)]]


class SerializationTest(_CohortTestCase):
    def test_every_method_is_here(self):
        self.assertCountEqual(_subclasses(cohort_lib.Cohort), _METHODS)

    @parameterized.parameters(*_METHODS)
    def test_a_copy_has_the_same_settings_and_fits(self, method):
        cohort = method(_students(), **_METHODS[method], name="named")
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cohort))
        self.assertIs(type(copy), method)
        for name in ("name", "temperature", "distillation_weight"):
            self.assertEqual(getattr(copy, name), getattr(cohort, name))
        self.assertEqual(copy.get_config().keys(), cohort.get_config().keys())
        copy.set_weights(cohort.get_weights())
        for each in (copy, cohort):
            each.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
        self.assertAllClose(_fit(copy), _fit(cohort))


class FailureTest(_CohortTestCase):
    def _refused(self, message):
        return self.assertRaisesRegex(ValueError, message)

    def test_settings(self):
        for temperature in (0.0, -1.0, float("nan")):
            with self._refused(f"temperature must be > 0; got {temperature}"):
                methods.KDCL(_students(), temperature=temperature)
        for weight in (-0.1, float("nan")):
            with self._refused(f"distillation_weight must be >= 0; got {weight}"):
                methods.KDCL(_students(), distillation_weight=weight)

    def test_members(self):
        with self._refused("must have the same number of classes; got {'a': 6, 'b': 3}"):
            methods.KDCL({"a": _student(), "b": _student(classes=3)})
        with self._refused("students must be a dict"):
            methods.KDCL([_student()])

    def test_names_that_make_two_metrics_alike(self):
        with self._refused("would be called ensemble_accuracy"):
            methods.KDCL({"ensemble": _student()})

    def test_keys_of_views(self):
        images, labels = _data()
        message = r"a view for each of \['a', 'z'\]; got a dict with keys \['a', 'b'\]"
        with self._refused(message):
            _fit(_compiled(run_eagerly=True), {"a": images, "b": images}, labels)
        with self._refused(r"a view for each of \['a', 'z'\]; got a dict with keys \['a'\]"):
            _compiled().predict({"a": images}, verbose=0)

    def test_keys_of_optimizers(self):
        with self._refused(r"one for each of \['a', 'z'\]; got keys \['a'\]"):
            _compiled(optimizer={"a": "sgd"})
        shared = keras.optimizers.SGD()
        with self._refused("two students share one optimizer object"):
            _compiled(optimizer={"a": shared, "z": shared})

    def test_labels(self):
        images, _ = _data()
        with self._refused(r"a cohort learns from \(images, labels\); got no labels"):
            _fit(_compiled(), images)
        with self._refused(r"labels must be \[B\] classes or \[B, 6\] probabilities for 6 classes"):
            _fit(_compiled(), images, np.zeros([14, 4]))

    def test_it_must_be_compiled(self):
        with self._refused("compile"):
            _fit(methods.KDCL(_students()))

    def test_the_base_asks_for_an_override(self):
        cohort = cohort_lib.Cohort(_students())
        cohort.compile("sgd", run_eagerly=True)
        with self.assertRaisesRegex(TypeError, "Cohort must override distillation_losses"):
            _fit(cohort)


if __name__ == "__main__":
    tf.test.main()
