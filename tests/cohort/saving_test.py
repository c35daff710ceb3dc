"""Tests of kdcl_tf.cohort: saving and loading."""

import functools
import os
import pathlib
import subprocess
import sys

import h5py
import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import methods
from kdcl_tf.cohort import cohort as cohort_lib
from kdcl_tf.methods.branched.branched import Branched
from tests.small_cohort import (
    CohortTestCase,
    Subclassed,
    compiled,
    compiled_graph,
    fit,
    make_branches,
    make_data,
    make_student,
    make_students,
)

# What a copy of each method is made of; a subclass that is not here fails `SerializationTest`.
_METHODS = {
    methods.KDCL: (make_students, {"ensemble": "general", "temperature": 3.0}),
    methods.Independent: (make_students, {}),
    methods.MutualLearning: (make_students, {"temperature": 1.5, "distillation_weight": 0.5}),
    methods.OfflineDistillation: (make_students, {"teacher": make_student(9)}),
    methods.ONE: (make_branches, {"ramp_up_steps": 3}),
    methods.CLNN: (make_branches, {"temperature": 1.5}),
}


class SavingTest(CohortTestCase):
    def _path(self, name="cohort.keras"):
        return os.path.join(self.get_temp_dir(), name)

    def _trained(self, optimizer):
        students = make_students()
        settings = {"ensemble": kdcl_tf.General(error="target", ridge=0.1), "temperature": 3.0}
        cohort = compiled_graph(students=students, settings=settings, optimizer=optimizer)
        fit(cohort)
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
        self.assertAllClose(fit(loaded), fit(cohort), atol=1e-6)
        self.assert_same_weights(loaded, cohort)

    def test_the_settings_of_compile_are_saved(self):
        metric = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
        cohort = compiled_graph(
            metrics=["accuracy", metric], weighted_metrics=["accuracy"], steps_per_execution=2
        )
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertEqual(loaded.steps_per_execution, 2)
        self.assertTrue(loaded.get_compile_config()["auto_scale_loss"])
        options = {"batch_size": 5, "verbose": 0, "return_dict": True}
        found = loaded.evaluate(*make_data(), **options)
        self.assertIn("a_nats", found)
        self.assertAllClose(found, cohort.evaluate(*make_data(), **options))

    def test_a_cohort_that_was_never_compiled(self):
        cohort = methods.KDCL(make_students())
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertFalse(loaded.compiled)
        self.assert_same_weights(loaded, cohort, atol=0.0)

    def test_a_subclassed_student(self):
        subclassed = Subclassed()
        subclassed(np.zeros([1, 5], np.float32))
        cohort = compiled(students={"z": subclassed, "a": make_student()})
        fit(cohort)
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        images = make_data()[0]
        self.assertAllClose(loaded(images), cohort(images))

    def test_weights_alone(self):
        cohort = self._trained("sgd")
        cohort.save_weights(self._path("cohort.weights.h5"))
        other = methods.KDCL(make_students(), "general")
        other.load_weights(self._path("cohort.weights.h5"))
        self.assert_same_weights(other, cohort, atol=0.0)
        self.assertAllEqual(other.ensemble.student_weights, [0.25, 0.75])
        self.assertEqual(other.temperature, 3.0)

    @parameterized.parameters(["sgd"], [{"z": "sgd", "a": "adam"}])
    def test_weights_are_found_by_the_names_of_students(self, optimizer):
        students = {"z": make_student(4), "a": make_student(4)}
        students["a"].set_weights([2 * each for each in students["a"].get_weights()])
        settings = {"ensemble": "general"}
        cohort = compiled(students=students, optimizer=optimizer, settings=settings)
        fit(cohort)
        cohort.ensemble.student_weights.assign([0.25, 0.75])
        path = self._path("names.weights.h5")
        cohort.save_weights(path)
        turned = compiled(
            students={"a": make_student(4), "z": make_student(4)},
            optimizer=optimizer,
            settings=settings,
        )
        turned.load_weights(path)
        self.assertAllEqual(turned.ensemble.student_weights, [0.75, 0.25])
        for name in "za":
            self.assert_same_weights(turned.students[name], cohort.students[name], atol=0.0)
        self.assertNotAllClose(*[each.get_weights()[0] for each in students.values()])
        self.assertAllClose(fit(turned)["loss"], fit(cohort)["loss"], atol=1e-6)
        other = compiled(students={"a": make_student(4), "b": make_student(4)})
        with self.assertRaisesRegex(ValueError, "students a, b; got those of a, z: give"):
            other.load_weights(path)

    def test_another_order_is_refused_where_one_optimizer_has_momenta_of_all(self):
        path = self._path("momenta.weights.h5")
        cohort = compiled(students={name: make_student(4) for name in "za"})
        fit(cohort)
        cohort.save_weights(path)
        same = compiled(students={name: make_student(4) for name in "za"})
        same.load_weights(path)
        self.assertAllClose(fit(same)["loss"], fit(cohort)["loss"], atol=1e-6)
        turned = compiled(students={name: make_student(4) for name in "az"})
        with self.assertRaisesRegex(
            ValueError, "of students in the order a, z, by which .*; got those of z, a: make"
        ):
            turned.load_weights(path)
        uncompiled = methods.KDCL({name: make_student(4) for name in "az"})
        uncompiled.load_weights(path)

    def test_another_order_is_refused_where_a_gate_belongs_to_it(self):
        path = self._path("gate.weights.h5")
        methods.ONE(make_branches(2)).save_weights(path)
        methods.ONE(make_branches(2)).load_weights(path)
        turned = methods.ONE(dict(reversed(make_branches(2).items())))
        with self.assertRaisesRegex(ValueError, "by which the gate's weights are filed; got"):
            turned.load_weights(path)

    def test_another_order_is_refused_where_an_ensemble_has_variables_of_its_own(self):
        class Kept(kdcl_tf.Ensemble):
            def connect(self, num_students):
                self.kept = self.add_weight(shape=(num_students,), trainable=False)

        path = self._path("kept.weights.h5")
        methods.KDCL({name: make_student(4) for name in "za"}, Kept()).save_weights(path)
        methods.KDCL({name: make_student(4) for name in "za"}, Kept()).load_weights(path)
        with self.assertRaisesRegex(ValueError, "by which what Kept keeps of them is filed; got"):
            methods.KDCL({name: make_student(4) for name in "az"}, Kept()).load_weights(path)

    def test_weights_of_an_earlier_version_have_the_order_of_their_cohort(self):
        cohort = self._trained("sgd")
        path = self._path("earlier.weights.h5")
        cohort.save_weights(path)
        with h5py.File(path, "a") as file:
            del file["ensemble/vars/students"]
        other = methods.KDCL(make_students(), "general")
        other.load_weights(path)
        self.assert_same_weights(other, cohort, atol=0.0)

    def test_a_cohort_without_a_loss_scale_is_loaded_without_one(self):
        cohort = methods.KDCL(make_students(dtype="mixed_float16"))
        cohort.compile("sgd", auto_scale_loss=False)
        cohort.save(self._path())
        loaded = keras.saving.load_model(self._path())
        self.assertNotIsInstance(loaded.optimizer, keras.optimizers.LossScaleOptimizer)
        self.assertFalse(loaded.get_compile_config()["auto_scale_loss"])

    @parameterized.parameters(True, False)
    def test_a_metric_that_keras_cannot_save_is_told_in_one_line(self, is_wrapped):
        def own(labels, logits, factor=1.0):
            return factor * tf.ones(len(labels))

        metric = functools.partial(own, factor=2.0)
        if is_wrapped:
            metric = keras.metrics.MeanMetricWrapper(metric, name="own")
        cohort = compiled(metrics=[metric])
        self.assertIn("z_own", fit(cohort))
        path = pathlib.Path(self._path("partial.keras"))
        path.write_text("kept")
        with self.assertRaisesRegex(
            ValueError,
            r"^expected metrics .* can keep; got functools.partial\(.*: use save_weights",
        ):
            cohort.save(path)
        self.assertEqual(path.read_text(), "kept")
        cohort.save_weights(self._path("partial.weights.h5"))

    def test_a_format_that_cannot_hold_it_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected a .keras file for a cohort; got .*.h5"):
            compiled().save(self._path("cohort.h5"))

    @parameterized.product(cohort=(methods.KDCL, methods.CLNN), suffix=(".h5", ".hdf5"))
    def test_functions_of_keras_refuse_it_as_well(self, cohort, suffix):
        make, settings = _METHODS[cohort]
        cohort = cohort(make(), **settings)
        for save in (keras.saving.save_model, keras.models.save_model):
            with self.assertRaisesRegex(ValueError, "expected a .keras file for a cohort; got an"):
                save(cohort, self._path(f"function{suffix}"))
        keras.saving.save_model(cohort, self._path("function.keras"))
        cohort.save(self._path("folder"), True, False)
        self.assertTrue(os.path.isdir(self._path("folder")))

    def test_an_export_has_every_student_and_the_ensemble(self):
        cohort = compiled()
        fit(cohort)
        cohort.export(self._path("exported"), verbose=False)
        loaded = tf.saved_model.load(self._path("exported"))
        images = make_data()[0]
        for name, student in cohort.students.items():
            self.assertAllClose(getattr(loaded, name)(images), student(images), atol=1e-6)
        served = loaded.serve(images)
        self.assertAllClose(loaded.signatures["serving_default"](tf.constant(images)), served)
        self.assertAllClose(served, cohort(images), atol=1e-6)
        mean = np.mean([tf.nn.softmax(each) for each in served.values()], axis=0)
        self.assertAllClose(loaded.ensemble(images), mean, atol=1e-6)
        with self.assertRaisesRegex(ValueError, "expected format=\"tf_saved_model\".*got 'onnx'"):
            cohort.export(self._path("exported"), format="onnx")
        students = {"z": make_student(4), "a": make_student(4, size=3)}
        with self.assertRaisesRegex(ValueError, "of one shape; got {'z': .*one by one"):
            methods.KDCL(students).export(self._path("exported"))
        for name in ("serve", "variables"):
            with self.assertRaisesRegex(ValueError, f"does not have itself; got {name}: make"):
                methods.KDCL({name: make_student()}).export(self._path("taken"))

    def test_an_export_of_a_signature_of_ones_own(self):
        cohort = methods.KDCL(make_students())
        signature = tf.TensorSpec([3, 5], tf.float32, name="vectors")
        cohort.export(self._path("signature"), "tf_saved_model", False, signature)
        loaded = tf.saved_model.load(self._path("signature"))
        found = loaded.signatures["ensemble"](vectors=tf.zeros([3, 5]))
        self.assertEqual([each.shape for each in found.values()], [(3, 6)])

    def test_subclassed_students_are_exported(self):
        students = {name: Subclassed() for name in "za"}
        images = make_data()[0]
        expected = {name: student(images) for name, student in students.items()}
        methods.KDCL(students).export(self._path("subclassed"), verbose=False)
        loaded = tf.saved_model.load(self._path("subclassed"))
        for name in "za":
            self.assertAllClose(getattr(loaded, name)(images), expected[name], atol=1e-6)

    def test_an_exported_ensemble_gives_probabilities_whatever_generals_weights(self):
        ensemble = kdcl_tf.General(constraint="none")
        cohort = methods.KDCL(make_students(), ensemble)
        ensemble.student_weights.assign([3.0, -2.0])
        images = 5 * make_data()[0]
        self.assertLess(np.min(cohort.average(cohort.forward(cohort.views(images)))), -0.01)
        cohort.export(self._path("negative"), verbose=False)
        loaded = tf.saved_model.load(self._path("negative"))
        found = loaded.ensemble(images).numpy()
        self.assertAllGreaterEqual(found, 0.0)
        self.assertAllClose(found.sum(axis=1), np.ones(len(found)), atol=1e-6)

    def test_students_are_shown_and_found_by_their_names(self):
        cohort, lines = compiled(), []
        own = [student.name for student in cohort.students.values()]
        cohort.summary(80, None, lines.append)
        self.assertRegex("".join(lines), r"(?s)z \(Sequential\).*a \(Sequential\)")
        self.assertEqual([student.name for student in cohort.students.values()], own)
        self.assertIs(cohort.get_layer("a"), cohort.students["a"])
        self.assertIs(cohort.get_layer(own[0]), cohort.students["z"])
        shapes = {"z": (7, 6), "a": (7, 6)}
        self.assertEqual(cohort.compute_output_shape((7, 5)), shapes)
        self.assertEqual(cohort.compute_output_shape({"z": (7, 5), "a": (7, 5)}), shapes)
        parts = {"left": (7, 5), "right": [7, 5]}
        self.assertEqual(cohort.compute_output_shape(parts), shapes)
        self.assertEqual(cohort.compute_output_shape({"z": parts, "a": parts}), shapes)

    def test_a_fresh_process_loads_it(self):
        cohort = self._trained("sgd")
        cohort.save(self._path())
        images = make_data()[0]
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


@keras.saving.register_keras_serializable(package="saving_test")
class Weighted(methods.MutualLearning):
    """Has a constructor argument that its configuration lacks."""

    def __init__(self, students, beta=1.0, **kwargs):
        super().__init__(students, **kwargs)
        self.beta = beta


@keras.saving.register_keras_serializable(package="saving_test")
class Whole(Weighted):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def get_config(self):
        return {**super().get_config(), "beta": self.beta}


class _Configured:
    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


class Mixed(_Configured, Weighted):
    def __init__(self, students, gamma, **kwargs):
        super().__init__(students, **kwargs)
        self.gamma = gamma


class ArgumentsTest(CohortTestCase):
    _MESSAGE = (
        r"expected {}.get_config to give .*; got no {}: return {{\*\*super\(\).*\"{}\": ...}}$"
    )

    def test_arguments_that_a_configuration_lacks_are_not_saved_as_defaults(self):
        cohort = Weighted(make_students(), beta=5.0)
        fit(compiled(Weighted, settings={"beta": 5.0}))
        path = os.path.join(self.get_temp_dir(), "weighted.keras")
        pathlib.Path(path).write_text("kept")
        for make_again in (lambda: cohort.save(path), lambda: keras.models.clone_model(cohort)):
            with self.assertRaisesRegex(
                ValueError, self._MESSAGE.format("Weighted", *["beta"] * 2)
            ):
                make_again()
        self.assertEqual(pathlib.Path(path).read_text(), "kept")

    def test_those_that_it_has_are(self):
        cohort = Whole(make_students(), beta=5.0)
        path = os.path.join(self.get_temp_dir(), "whole.keras")
        cohort.save(path)
        for copy in (keras.saving.load_model(path), keras.models.clone_model(cohort)):
            self.assertEqual(copy.beta, 5.0)

    def test_a_configuration_of_a_mixin_counts(self):
        class Lacking(Mixed):
            def __init__(self, students, gamma, delta=0.0, **kwargs):
                super().__init__(students, gamma, **kwargs)

        self.assertEqual(Mixed(make_students(), gamma=1.0).get_config()["gamma"], 1.0)
        with self.assertRaisesRegex(ValueError, self._MESSAGE.format("Lacking", *["delta"] * 2)):
            Lacking(make_students(), 1.0).get_config()


def _subclasses(base):
    found = [each for each in base.__subclasses__() if each.__module__.startswith("kdcl_tf")]
    return [*found, *[deeper for each in found for deeper in _subclasses(each)]]


class SerializationTest(CohortTestCase):
    def test_every_method_is_here(self):
        self.assertCountEqual(_subclasses(cohort_lib.Cohort), [*_METHODS, Branched])

    @parameterized.parameters(*_METHODS)
    def test_a_copy_has_the_same_settings_and_fits(self, method):
        make, settings = _METHODS[method]
        cohort = method(make(), **settings, name="named")
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cohort))
        self.assertIs(type(copy), method)
        for name in ("name", "temperature", "distillation_weight"):
            self.assertEqual(getattr(copy, name), getattr(cohort, name))
        self.assertEqual(copy.get_config().keys(), cohort.get_config().keys())
        copy.set_weights(cohort.get_weights())
        for each in (copy, cohort):
            each.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
        self.assertAllClose(fit(copy), fit(cohort))


if __name__ == "__main__":
    tf.test.main()
