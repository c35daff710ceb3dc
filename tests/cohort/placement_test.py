"""Tests of kdcl_tf.cohort.placement: each student stays on its device, and learns as on one."""

import contextlib
import unittest

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from benchmarking import partitions

from kdcl_tf import methods, students
from kdcl_tf.cohort.placement import Placement, update_in_place
from kdcl_tf.training.optimizers import CoupledSGD
from tests.small_cohort import make_branches

_DEVICES = {"z": "CPU:0", "a": "CPU:1", "m": "CPU:0"}
_CLASSES = 7


def _student(units, regularizer=None):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(units, 3, kernel_regularizer=regularizer),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(_CLASSES),
        ]
    )


def _students(names="za", devices=None, regularizer=None):
    keras.utils.set_random_seed(4)
    made = {}
    for units, name in enumerate(names, start=4):
        with tf.device(devices[name]) if devices else contextlib.nullcontext():
            made[name] = _student(units, regularizer)
    return made


def _dense_students(devices):
    made = {}
    for name, device in devices.items():
        with tf.device(device):
            layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(10)]
            made[name] = keras.Sequential(layers)
    return made


def _optimizer(**kwargs):
    return CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.01, **kwargs)


def _cohort(method=methods.KDCL, names="za", devices=None, regularizer=None, **settings):
    compiling = {
        key: settings.pop(key)
        for key in ("optimizer", "accumulation_steps", "run_eagerly")
        if key in settings
    }
    devices = devices and {name: devices[name] for name in names}
    cohort = method(_students(names, devices, regularizer), **settings)
    cohort.compile(**{"optimizer": _optimizer(), "devices": devices, **compiling})
    return cohort


def _data(examples=12):
    rng = np.random.default_rng(0)
    views = {name: rng.normal(size=[examples, 8, 8, 3]).astype(np.float32) for name in "zam"}
    return views, rng.integers(_CLASSES, size=examples)


def _fit(cohort, **kwargs):
    views, labels = _data()
    views = {name: views[name] for name in cohort.students}
    options = {"batch_size": 5, "epochs": 1, "shuffle": False, "verbose": 0, **kwargs}
    return cohort.fit(views, labels, **options).history


def _device(text):
    return tf.DeviceSpec.from_string(text).device_index if text else None


class PlacementTest(tf.test.TestCase):
    def test_it_is_false_without_devices_and_its_scopes_do_nothing(self):
        self.assertFalse(Placement())
        with Placement().scope("z"), Placement().centre():
            self.assertEqual(_device(tf.Variable(1.0).device), 0)

    def test_something_else_than_a_dict_is_refused(self):
        for devices in ("CPU:0", ["CPU:0", "CPU:1"]):
            with self.assertRaisesRegex(ValueError, "devices must be a dict .*; got .*CPU:0"):
                Placement(devices)

    def test_scopes(self):
        placed = Placement({"z": "CPU:1", "a": "/device:CPU:0"})
        self.assertTrue(placed)
        for scope, index in ((placed.scope("z"), 1), (placed.scope("a"), 0), (placed.centre(), 1)):
            with scope:
                self.assertEqual(_device(tf.Variable(1.0).device), index)


class StepTest(tf.test.TestCase, parameterized.TestCase):
    """Three steps, the last of 2 images."""

    def _compare(self, optimizer=_optimizer, **settings):
        expected, found = (
            _cohort(optimizer=optimizer(), devices=devices, **settings)
            for devices in (None, _DEVICES)
        )
        self.assertAllClose(_fit(found), _fit(expected), rtol=1e-6, atol=1e-6)
        for each, wanted in zip(found.variables, expected.variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), rtol=1e-6, atol=1e-6)

    @parameterized.parameters("naive", "linear", "min_logit", "general")
    def test_every_ensemble(self, ensemble):
        # In a graph and, for the sake of time, without.
        self._compare(ensemble=ensemble, run_eagerly=ensemble != "min_logit")

    @parameterized.parameters(methods.MutualLearning, methods.Independent)
    def test_other_methods(self, method):
        self._compare(method=method, run_eagerly=True)

    def test_offline_distillation(self):
        keras.utils.set_random_seed(9)
        self._compare(method=methods.OfflineDistillation, teacher=_student(6), run_eagerly=True)

    @parameterized.parameters(True, False)
    def test_a_loss_scale_is_refused_and_the_cohort_stays_as_it_was(self, by_student):
        cohort = methods.KDCL(_students(devices={name: _DEVICES[name] for name in "za"}))
        scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        optimizer = {"z": scaled, "a": "sgd"} if by_student else scaled
        with self.assertRaisesRegex(ValueError, "cannot have a loss scale, which float16 needs: "):
            cohort.compile(optimizer, devices={name: _DEVICES[name] for name in "za"})
        cohort.compile("sgd")
        _fit(cohort)

    def test_variables_and_penalties_of_a_method_are_refused(self):
        class Owning(methods.Independent):
            def __init__(self, students):
                super().__init__(students)
                self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

        class Making(methods.Independent):
            def distillation_losses(self, logits, labels, views):
                self.scale = keras.layers.Dense(1)
                return tf.squeeze(self.scale(logits), -1)

        class Penalized(methods.Independent):
            def penalties(self):
                return [2.0 * each for each in super().penalties()]

        devices = {"z": "CPU:0", "a": "CPU:1"}
        students = _students(devices=devices)
        message = "belongs to no student: .* leave out devices"
        with self.assertRaisesRegex(ValueError, f"scale {message}"):
            Owning(students).compile("sgd", devices=devices)
        making = Making(students)
        making.compile("sgd", devices=devices, run_eagerly=True)
        with self.assertRaisesRegex(ValueError, message):
            _fit(making)
        with self.assertRaisesRegex(ValueError, "got Penalized, which overrides penalties: leave"):
            Penalized(students).compile("sgd", devices=devices)

    @pytest.mark.slow
    def test_penalties_parts_and_three_students_on_two_devices(self):
        self._compare(names="zam", regularizer=keras.regularizers.L2(0.1), accumulation_steps=2)

    @parameterized.parameters("clipnorm", "global_clipnorm")
    def test_clipping_and_decay(self, clipping):
        self._compare(lambda: keras.optimizers.AdamW(0.01, **{clipping: 0.1}), run_eagerly=True)

    def test_an_optimizer_for_each_and_a_student_that_is_frozen(self):
        cohorts = []
        for devices in (None, {name: _DEVICES[name] for name in "za"}):
            cohort = methods.KDCL(_students(devices=devices))
            cohort.students["z"].trainable = False
            optimizers = {"z": "sgd", "a": keras.optimizers.Adam(0.01)}
            cohort.compile(optimizers, devices=devices)
            _fit(cohort)
            cohorts.append(cohort)
        for each, wanted in zip(cohorts[1].variables, cohorts[0].variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), rtol=1e-6, atol=1e-6)

    def test_evaluation_prediction_and_generals_weights(self):
        single, placed = _cohort(ensemble="general"), _cohort(devices=_DEVICES, ensemble="general")
        views, labels = _data()
        views = {name: views[name] for name in "za"}
        for cohort in (single, placed):
            cohort.renew_ensemble([(views, labels)])
        self.assertAllClose(*[each.ensemble.student_weights for each in (single, placed)])
        options = {"verbose": 0, "batch_size": 5}
        self.assertAllClose(
            placed.evaluate(views, labels, return_dict=True, **options),
            single.evaluate(views, labels, return_dict=True, **options),
        )
        found, wanted = placed.predict(views, **options), single.predict(views, **options)
        for name in "za":
            self.assertAllClose(found[name], wanted[name])


class DevicesTest(tf.test.TestCase, parameterized.TestCase):
    """Two students of the library, told apart by their names."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        devices = {"first": "CPU:0", "second": "CPU:1"}
        members = {}
        for name, device in devices.items():
            with tf.device(device):
                members[name] = students.build("resnet8", 10, (8, 8, 3), model_name=name)
        cls.cohort = methods.KDCL(members)
        cls.cohort.compile(_optimizer(), devices=devices)
        step = tf.function(cls.cohort.train_step)
        views = {name: tf.zeros([4, 8, 8, 3]) for name in members}
        cls.concrete = step.get_concrete_function((views, tf.zeros([4], tf.int64)))

    def test_variables_and_slots(self):
        for index, student in enumerate(self.cohort.students.values()):
            for variable in student.variables:
                self.assertEqual(_device(variable.value.device), index, variable.path)
        trained = zip(self.cohort.optimizer.momentums, self.cohort.trainable_variables, strict=True)
        for slot, variable in trained:
            self.assertEqual(slot.value.device, variable.value.device)

    def test_every_op_of_a_forward_and_backward_pass(self):
        kinds = ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "FusedBatchNormV3",
                 "FusedBatchNormGradV3", "MatMul", "Relu", "ReluGrad")  # fmt: skip
        counts = {}
        for op in self.concrete.graph.get_operations():
            if op.type in kinds:
                owner = 0 if "first" in op.name else 1
                self.assertIn(("first", "second")[owner], op.name)
                self.assertEqual(_device(op.device), owner, op.name)
                counts[op.type, owner] = counts.get((op.type, owner), 0) + 1
        for kind in kinds:
            self.assertEqual(counts[kind, 0], counts[kind, 1])
        # A stem, three blocks of two, two shortcuts.
        self.assertEqual(counts["Conv2D", 1], 9)
        self.assertEqual(counts["Conv2DBackpropFilter", 1], 9)

    def test_updates(self):
        handles = {
            id(variable.value.handle): _device(variable.value.device)
            for variable in [*self.cohort.trainable_variables, *self.cohort.optimizer.momentums]
        }
        captured = {
            inner.name: handles[id(outer)]
            for outer, inner in self.concrete.graph.captures
            if id(outer) in handles
        }
        updated = [
            (op, captured[op.inputs[0].name])
            for op in self.concrete.graph.get_operations()
            if "Assign" in op.type and op.inputs[0].name in captured
        ]
        # Each weight and each slot once.
        self.assertLen(updated, 2 * len(self.cohort.trainable_variables))
        for op, device in updated:
            self.assertEqual(_device(op.device), device, op.name)
            self.assertEqual(_device(op.inputs[1].op.device), device, op.inputs[1].name)

    @unittest.skipUnless(hasattr(keras.optimizers, "MultiOptimizer"), "Keras has none yet")
    def test_updates_of_an_optimizer_of_several(self):
        devices = []

        class Noting(keras.optimizers.SGD):
            def update_step(self, gradient, variable, learning_rate):
                devices.append(_device(tf.identity(gradient).device))

        with tf.device("CPU:1"):
            variable = keras.Variable([1.0])
        optimizer = keras.optimizers.MultiOptimizer(lambda _: Noting())
        optimizer.build([variable])
        update_in_place(optimizer)
        with tf.device("CPU:0"):
            optimizer.optimizers[0].update_step(tf.ones([1]), variable, 0.1)
        self.assertEqual(devices, [1])

    def test_only_views_logits_and_their_gradients_travel(self):
        self._assert_travels(self.cohort, parts=1)

    @parameterized.product(
        optimizer=(
            lambda: _optimizer(clipnorm=0.1),
            lambda: _optimizer(global_clipnorm=0.1),
            lambda: _optimizer(clipvalue=0.1),
            lambda: keras.optimizers.AdamW(0.1, use_ema=True),
        ),
        parts=(1, 2),
    )
    def test_no_gradient_travels_to_be_clipped_or_added_and_no_weight_to_decay(
        self, optimizer, parts
    ):
        devices = {"z": "CPU:0", "a": "CPU:1"}
        cohort = methods.KDCL(_dense_students(devices))
        cohort.compile(optimizer(), devices=devices, accumulation_steps=parts)
        self._assert_travels(cohort, parts)

    def _assert_travels(self, cohort, parts):
        views = {name: tf.zeros([4, 8, 8, 3]) for name in cohort.students}
        labels = tf.zeros([4], tf.int64)
        found = partitions.transfers(cohort.train_step, (views, labels))
        self.assertEmpty([each for each in found if each.size is None])
        # The learning rate of each update, and whatever else is one number.
        large = sorted((each.source, each.size) for each in found if each.size > 8)
        logits, view = 4 * 10 * 4 // parts, 4 * 8 * 8 * 3 * 4 // parts
        each_part = [("CPU:0", logits), ("CPU:0", view), ("CPU:1", logits)]
        self.assertEqual(large, sorted(parts * each_part))


class RefusalTest(tf.test.TestCase, parameterized.TestCase):
    def test_branches(self):
        cohort = methods.CLNN(make_branches())
        devices = dict.fromkeys(cohort.students, "CPU:0")
        with self.assertRaisesRegex(ValueError, "students of CLNN share layers, and cannot live"):
            cohort.compile("sgd", devices=devices)

    @parameterized.parameters(
        ({"z": "CPU:0", "a": "CPU:9"}, "expected one of /device:CPU:0.*; got 'CPU:9'"),
        ({"z": "CPU:0"}, r"one for each of \['a', 'z'\]; got keys \['z'\]"),
        (
            {"z": "CPU:0", "a": "CPU:1"},
            "'a' has .*kernel on another device: expected /device:CPU:1; got .*CPU:0",
        ),
    )
    def test_devices(self, devices, message):
        with self.assertRaisesRegex(ValueError, message):
            methods.KDCL(_students()).compile("sgd", devices=devices)

    def test_xla(self):
        cohort = methods.KDCL(_students())
        with self.assertRaisesRegex(ValueError, "jit_compile=True is for one device"):
            cohort.compile("sgd", devices=dict.fromkeys("za", "CPU:0"), jit_compile=True)


if __name__ == "__main__":
    tf.test.main()
