"""Tests that two replicas train as one device does, whatever the size of the batch."""

import contextlib
import functools
import pathlib
import shutil
import tempfile
import unittest

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from benchmarking import partitions

import kdcl_tf
from kdcl_tf import serving
from kdcl_tf.serving import teachers
from kdcl_tf.serving.cards import Card
from kdcl_tf.students.normalization import FusedBatchNormalization


@functools.cache
def _strategy():
    # One for the whole run: a second one in a process can abort.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _dense_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(7, kernel_regularizer=keras.regularizers.L2(0.01)),
        ]
    )


def _normalized_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            FusedBatchNormalization(synchronized=True, momentum=0.9),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(7),
        ]
    )


def _convolutional_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(units, 3, strides=2, use_bias=False),
            FusedBatchNormalization(synchronized=True, momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(7),
        ]
    )


# The last size leaves one of the replicas without an image.  oneDNN's convolution gives an
# empty batch the shape of its input, so the convolution goes without that size.
_SIZES = {
    _dense_student: (32, 28, 17, 1),
    _normalized_student: (32, 28, 17, 1),
    _convolutional_student: (32, 28, 17),
}


def _cohort(make_student, method=kdcl_tf.KDCL, optimizer=None, **kwargs):
    keras.utils.set_random_seed(4)
    cohort = method({"z": make_student(4), "a": make_student(6)}, **kwargs)
    cohort.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9))
    return cohort


def _pair(*args, **kwargs):
    """The same cohort on one device and on two."""
    single = _cohort(*args, **kwargs)
    with _strategy().scope():
        return single, _cohort(*args, **kwargs)


def _data(examples):
    rng = np.random.default_rng(examples)
    images = rng.normal(size=[examples, 6, 6, 3]).astype(np.float32)
    return images, rng.integers(7, size=examples)


class _ReplicasTestCase(tf.test.TestCase, parameterized.TestCase):
    def assert_same_weights(self, found, expected, message=None):
        for each, wanted in zip(found.variables, expected.variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), atol=1e-5, msg=message)


class FitTest(_ReplicasTestCase):
    def _fit(self, cohort, examples, **kwargs):
        options = {"batch_size": examples, "epochs": 3, "shuffle": False, "verbose": 0, **kwargs}
        return cohort.fit(*_data(examples), **options).history

    def _fit_dataset(self, cohort, examples):
        # A dataset does not tell its size, so that one graph serves every size.
        dataset = tf.data.Dataset.from_tensor_slices(_data(examples)).batch(examples)
        return cohort.fit(dataset, epochs=3, shuffle=False, verbose=0).history

    @parameterized.parameters(_dense_student, _normalized_student)
    def test_three_steps_at_every_size(self, make_student):
        single, double = _pair(make_student)
        for examples in _SIZES[make_student]:
            expected = self._fit_dataset(single, examples)
            found = self._fit_dataset(double, examples)
            self.assertCountEqual(found, expected)
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")

    def test_a_short_last_batch_sample_weights_and_an_optimizer_for_each(self):
        single = _cohort(_dense_student, optimizer=self._optimizers(), ensemble="linear")
        with _strategy().scope():
            double = _cohort(_dense_student, optimizer=self._optimizers(), ensemble="linear")
        weights = np.linspace(0.0, 2.0, 19)
        expected, found = (
            self._fit(each, 19, batch_size=6, sample_weight=weights, epochs=1)
            for each in (single, double)
        )
        self.assertAllClose(found, expected, atol=1e-4)

    @parameterized.parameters("_heads", "_gated", "_taught")
    @pytest.mark.slow
    def test_three_steps_of_methods_with_more_than_students(self, make):
        single = getattr(self, make)()
        with _strategy().scope():
            double = getattr(self, make)()
        for examples in (32, 17, 1):
            expected = self._fit_dataset(single, examples)
            found = self._fit_dataset(double, examples)
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")

    def _heads(self):
        return self._branched(kdcl_tf.CLNN)

    def _gated(self):
        """The gate's batch norm is synchronised, as that of the branches."""
        return self._branched(kdcl_tf.ONE)

    def _branched(self, method):
        keras.utils.set_random_seed(4)
        images = keras.Input((6, 6, 3))
        x = FusedBatchNormalization(synchronized=True, momentum=0.9)(images)
        x = keras.layers.Dense(5, "tanh")(keras.layers.Flatten()(x))
        heads = {
            name: keras.Model(images, keras.layers.Dense(7)(keras.layers.Dense(4, "tanh")(x)))
            for name in "ab"
        }
        cohort = method(heads)
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        return cohort

    def _taught(self):
        keras.utils.set_random_seed(5)
        teacher = _dense_student(8)
        return _cohort(_dense_student, kdcl_tf.OfflineDistillation, teacher=teacher)

    def _optimizers(self):
        return {"z": keras.optimizers.SGD(0.1), "a": keras.optimizers.Adam(0.01)}

    def test_evaluation_and_prediction_count_every_image(self):
        single, double = _pair(_normalized_student, method=kdcl_tf.MutualLearning)
        for examples in (17, 1):
            images, labels = _data(examples)
            options = {"batch_size": 16, "verbose": 0}
            expected, found = (
                each.evaluate(images, labels, return_dict=True, **options)
                for each in (single, double)
            )
            self.assertAllClose(found, expected, atol=1e-5)
            expected, found = (each.predict(images, **options) for each in (single, double))
            for name in ("z", "a"):
                self.assertAllClose(found[name], expected[name], atol=1e-5)


class HyperparametersTest(_ReplicasTestCase):
    """Lambda and T are variables, which have a copy on each replica."""

    def test_they_are_scheduled_saved_and_loaded(self):
        with _strategy().scope():
            cohort = _cohort(_dense_student)
        schedule = kdcl_tf.callbacks.Schedule(
            distillation_weight=lambda epoch: 0.5 + epoch, temperature=lambda epoch: 2.0 + epoch
        )
        images, labels = _data(6)
        history = cohort.fit(
            images, labels, batch_size=6, epochs=2, verbose=0, callbacks=[schedule]
        ).history
        self.assertEqual(history["distillation_weight"], [0.5, 1.5])
        self.assertEqual(history["temperature"], [2.0, 3.0])
        config = cohort.get_config()
        self.assertEqual((config["temperature"], config["distillation_weight"]), (3.0, 1.5))
        path = self.create_tempdir().full_path + "/cohort.keras"
        cohort.save(path)
        loaded = keras.saving.load_model(path)
        self.assertEqual([loaded.temperature, loaded.distillation_weight], [3.0, 1.5])
        self.assertAllClose(loaded.predict(images, verbose=0), cohort.predict(images, verbose=0))


class OverflowTest(_ReplicasTestCase):
    """In float16 a step that overflows on one replica is left out on all."""

    def _make(self, optimizer):
        def student(units):
            policy = keras.DTypePolicy("mixed_float16")
            return keras.Sequential(
                [
                    keras.Input((6, 6, 3)),
                    keras.layers.Flatten(dtype=policy),
                    keras.layers.Dense(units, dtype=policy),
                    keras.layers.Dense(7, dtype=policy),
                ]
            )

        with _strategy().scope():
            return _cohort(student, optimizer=optimizer())

    @parameterized.product(
        huge=(slice(0, 4), slice(4, 8)),
        optimizer=(
            lambda: keras.optimizers.SGD(0.1),
            lambda: {"z": keras.optimizers.SGD(0.1), "a": keras.optimizers.Adam(0.01)},
        ),
    )
    def test_whichever_replica_overflows(self, huge, optimizer):
        cohort = self._make(optimizer)
        images, labels = _data(8)
        cohort.fit(images, labels, batch_size=8, verbose=0)
        optimizers = list((cohort.student_optimizers or {"": cohort.optimizer}).values())
        before = [each.numpy() for each in cohort.trainable_variables]
        scales = [float(each.dynamic_scale.numpy()) for each in optimizers]
        steps = [int(each.inner_optimizer.iterations.numpy()) for each in optimizers]
        # Beyond the largest number of float16, 65,504.
        images[huge] *= 1e6
        cohort.fit(images, labels, batch_size=8, shuffle=False, verbose=0)
        for variable, expected in zip(cohort.trainable_variables, before, strict=True):
            self.assertAllEqual(variable.numpy(), expected)
        for each, scale, step in zip(optimizers, scales, steps, strict=True):
            self.assertEqual(float(each.dynamic_scale.numpy()), scale / 2)
            self.assertEqual(int(each.inner_optimizer.iterations.numpy()), step)


class TrainStepTest(_ReplicasTestCase):
    def _loop(self, cohort):
        """`strategy.run` of `train_step` in one `tf.function`, as in `kdcl-train`."""
        strategy = cohort.distribute_strategy
        step = tf.function(
            lambda iterator: strategy.run(cohort.train_step, args=(next(iterator),)),
            reduce_retracing=True,
        )

        def three_steps(examples):
            dataset = tf.data.Dataset.from_tensors(_data(examples)).repeat(3).unbatch()
            batches = strategy.experimental_distribute_dataset(dataset.batch(examples))
            cohort.reset_metrics()
            iterator = iter(batches)
            for _ in range(3):
                step(iterator)
            return {each.name: float(each.result()) for each in cohort.metrics}

        return three_steps

    @parameterized.parameters(*_SIZES)
    @pytest.mark.slow
    def test_three_steps_at_every_size(self, make_student):
        single, double = _pair(make_student)
        train_single, train_double = self._loop(single), self._loop(double)
        for examples in _SIZES[make_student]:
            expected, found = train_single(examples), train_double(examples)
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")


class AccumulationTest(_ReplicasTestCase):
    """Each replica runs its part of the batch in parts; gradients are reduced once."""

    def _train(self, cohort, data, **kwargs):
        dataset = tf.data.Dataset.from_tensors(data).repeat(3).unbatch().batch(len(data[1]))
        return cohort.fit(dataset, shuffle=False, verbose=0, **kwargs).history

    def _pair(self, make_student, parts):
        pair = _pair(make_student)
        for cohort, steps in zip(pair, parts):
            with cohort.distribute_strategy.scope():
                optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
                cohort.compile(optimizer, accumulation_steps=steps)
        return pair

    def test_three_steps_at_every_size(self):
        single, double = self._pair(_dense_student, parts=(1, 4))
        for examples in (32, 17, 1):
            expected, found = (self._train(each, _data(examples)) for each in (single, double))
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")

    @pytest.mark.slow
    def test_gradients_are_reduced_once(self):
        strategy, crossing = _strategy(), {}
        for parts in (1, 4):
            _, cohort = self._pair(_dense_student, parts=(1, parts))
            batch = strategy.experimental_distribute_values_from_function(lambda _: _data(8))
            step = functools.partial(strategy.run, cohort.train_step)
            found = partitions.transfers(step, (batch,))
            # Counts and metrics are single numbers.
            sizes = [each.size for each in found if each.source == "CPU:1" and each.size != 4]
            crossing[parts] = sum(sizes)
        parameters = sum(each.numpy().size for each in cohort.trainable_variables)
        self.assertEqual(crossing, {1: 4 * parameters, 4: 4 * parameters})

    @pytest.mark.slow
    def test_synchronised_statistics_are_of_a_part_on_all_replicas(self):
        single, double = self._pair(_normalized_student, parts=(2, 2))
        images, labels = _data(4)
        # Replicas hold images 0, 1 and 2, 3: the first part is 0 and 2.
        order = [0, 2, 1, 3]
        expected = self._train(single, (images[order], labels[order]))
        self.assertAllClose(self._train(double, (images, labels)), expected, atol=1e-5)
        self.assert_same_weights(double, single)


class ExportedTeacherTest(_ReplicasTestCase):
    """Steps with a teacher from an exported run, the rows of Table 1 that distil offline."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(3)
        teacher = _convolutional_student(5)
        names = tuple("abcdefg")
        normalization = kdcl_tf.data.Normalization((0.5,), (0.25,))
        card = Card("teacher", (6, 6, 3), names, normalization)
        cls.path = pathlib.Path(tempfile.mkdtemp()) / "teacher"
        cls.addClassCleanup(shutil.rmtree, cls.path.parent)
        serving.export_student(teacher, cls.path, card=card)
        cls.single = cls._trained(tf.distribute.get_strategy())

    @classmethod
    def _trained(cls, strategy, **compiling):
        """A cohort after a step on 17 images; its teacher is made in the scope, as in `kdcl-train`."""
        keras.utils.set_random_seed(4)
        devices = compiling.get("devices", {})
        students = {}
        with strategy.scope():
            for name, units in (("z", 4), ("a", 6)):
                with tf.device(devices[name]) if devices else contextlib.nullcontext():
                    students[name] = _dense_student(units)
            teacher = teachers.ServedTeacher(cls.path)
            cohort = kdcl_tf.OfflineDistillation(students, teacher)
            cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), **compiling)
        cohort.fit(*_data(17), batch_size=17, shuffle=False, verbose=0)
        return cohort

    @parameterized.parameters(
        (True, {}, 1e-5),
        (False, {"jit_compile": True}, 1e-5),
        (True, {"jit_compile": True}, 5e-4),
        (False, {"devices": {"z": "CPU:0", "a": "CPU:1"}}, 1e-5),
    )
    @pytest.mark.slow
    def test_a_step(self, replicated, compiling, atol):
        strategy = _strategy() if replicated else tf.distribute.get_strategy()
        found = self._trained(strategy, **compiling)
        for each, wanted in zip(found.variables, self.single.variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), atol=atol, msg=each.path)


class CompilationTest(_ReplicasTestCase):
    """Steps that XLA compiles for each of two replicas."""

    def _compile(self, cohort, **kwargs):
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=True, **kwargs)
        return cohort

    @pytest.mark.slow
    def test_a_step_of_two_is_that_of_one_that_is_not_compiled(self):
        self._check_a_step("min_logit", 1)

    @pytest.mark.slow
    def test_a_step_in_parts_with_a_solver_inside(self):
        self._check_a_step("linear", 2)

    def _check_a_step(self, ensemble, accumulation_steps):
        single, double = _pair(_dense_student, ensemble=ensemble)
        with _strategy().scope():
            self._compile(double, accumulation_steps=accumulation_steps)
        for examples in (17, 32):
            images, labels = _data(examples)
            for each in (single, double):
                each.fit(images, labels, batch_size=examples, shuffle=False, verbose=0)
            self.assert_same_weights(double, single, f"{examples} images")

    @pytest.mark.slow
    def test_evaluation_and_prediction_count_every_image(self):
        single, double = _pair(_dense_student)
        with _strategy().scope():
            self._compile(double)
        images, labels = _data(17)
        options = {"batch_size": 16, "verbose": 0}
        expected, found = (
            each.evaluate(images, labels, return_dict=True, **options) for each in (single, double)
        )
        self.assertAllClose(found, expected, atol=1e-5)
        expected, found = (each.predict(images, **options) for each in (single, double))
        self.assertAllClose(found, expected, atol=1e-5)

    def test_statistics_of_each_replicas_own_are_those_uncompiled(self):
        def make():
            keras.utils.set_random_seed(4)
            return keras.Sequential(
                [
                    keras.Input((6, 6, 3)),
                    FusedBatchNormalization(momentum=0.9),
                    keras.layers.Flatten(),
                    keras.layers.Dense(7),
                ]
            )

        cohorts = []
        for jit_compile in (False, True):
            with _strategy().scope():
                cohort = kdcl_tf.KDCL({"a": make(), "z": make()})
                cohort.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
            cohort.fit(*_data(17), batch_size=17, shuffle=False, verbose=0)
            cohorts.append(cohort)
        self.assert_same_weights(*cohorts)

    def test_synchronized_batch_norm_is_refused(self):
        with _strategy().scope():
            cohort = _cohort(_normalized_student)
            with self.assertRaisesRegex(
                ValueError,
                "got synchronized batch norm on 2 replicas, in .*: leave out jit_compile",
            ):
                self._compile(cohort)


class PlacementTest(_ReplicasTestCase):
    def test_students_on_their_devices_are_not_replicated_too(self):
        with _strategy().scope():
            cohort = kdcl_tf.KDCL({"z": _dense_student(4)})
            with self.assertRaisesRegex(ValueError, "cannot be replicated too: leave out devices"):
                cohort.compile("sgd", devices={"z": "CPU:0"})


class GeneralTest(_ReplicasTestCase):
    def test_renewed_weights_are_alike_on_both_replicas_and_on_one_device(self):
        single, double = self._general_pair()
        for cohort in (single, double):
            held_out = [_data(9), _data(4)]
            options = {"batch_size": 17, "epochs": 2, "shuffle": False, "verbose": 0}
            renew = kdcl_tf.callbacks.GeneralWeights(held_out)
            cohort.fit(*_data(17), callbacks=[renew], **options)
        replicas = _strategy().experimental_local_results(double.ensemble.student_weights.value)
        self.assertNotAllClose(single.ensemble.student_weights, [0.5, 0.5], atol=1e-3)
        for found in replicas:
            self.assertAllClose(found, single.ensemble.student_weights, atol=1e-4)
        self.assertAllEqual(replicas[0], replicas[-1])
        self.assert_same_weights(double, single)

    def _general_pair(self):
        """General holds its weights, so that each cohort needs one made in its scope."""
        single = _cohort(_normalized_student, ensemble=kdcl_tf.General(constraint="none"))
        with _strategy().scope():
            ensemble = kdcl_tf.General(constraint="none")
            return single, _cohort(_normalized_student, ensemble=ensemble)


class ScopeTest(_ReplicasTestCase):
    def test_an_optimizer_from_outside_the_scope_is_refused(self):
        with _strategy().scope():
            cohort = kdcl_tf.KDCL({"z": _dense_student(4)})
        made = keras.optimizers.SGD(0.1, momentum=0.9)
        for optimizer in (made, {"z": keras.optimizers.Adam(0.1)}):
            with self.assertRaisesRegex(ValueError, "made outside the scope of the cohort's"):
                cohort.compile(optimizer)

    @unittest.skipUnless(hasattr(keras.optimizers, "MultiOptimizer"), "Keras has none yet")
    def test_several_from_outside_the_scope_are_refused(self):
        several = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1))
        )
        with _strategy().scope():
            two = kdcl_tf.KDCL({"z": _dense_student(4), "a": _dense_student(5)})
        with self.assertRaisesRegex(ValueError, "made outside the scope of the cohort's"):
            two.compile(several)

    def test_an_optimizer_of_that_name_is_made_inside_it(self):
        with _strategy().scope():
            cohort = kdcl_tf.KDCL({"z": _dense_student(4)})
        for optimizer in ("sgd", {"z": "sgd"}):
            cohort.compile(optimizer)
            cohort.fit(*_data(17), batch_size=17, verbose=0)
            (own,) = (cohort.student_optimizers or {"": cohort.optimizer}).values()
            self.assertAllEqual(own.iterations.numpy(), 1)

    def test_metrics_are_made_in_the_scope_of_the_cohort(self):
        with _strategy().scope():
            cohort = kdcl_tf.KDCL({"z": _dense_student(4)})
            optimizer = keras.optimizers.SGD(0.1)
        cohort.compile(optimizer, weighted_metrics=["accuracy"])
        images, labels = _data(17)
        history = cohort.fit(images, labels, batch_size=17, verbose=0, epochs=2).history
        self.assertAllClose(history["z_weighted_accuracy"], history["z_accuracy"])
        self.assertAllEqual(optimizer.iterations.numpy(), 2)


if __name__ == "__main__":
    tf.test.main()
