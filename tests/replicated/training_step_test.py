"""Tests that a step on two replicas is that on one device: own loops, overflows, parts, teachers."""

import contextlib
import functools
import pathlib
import shutil
import tempfile

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized
from benchmarking import partitions

import kdcl_tf
from kdcl_tf import serving
from kdcl_tf.serving import teachers
from kdcl_tf.serving.cards import Card
from tests.replicated import two_replicas


class TrainStepTest(two_replicas.ReplicasTestCase):
    def _loop(self, cohort):
        """`strategy.run` of `train_step` in one `tf.function`, as in `kdcl-train`."""
        strategy = cohort.distribute_strategy
        step = tf.function(
            lambda iterator: strategy.run(cohort.train_step, args=(next(iterator),)),
            reduce_retracing=True,
        )

        def three_steps(examples):
            dataset = tf.data.Dataset.from_tensors(two_replicas.data(examples)).repeat(3).unbatch()
            batches = strategy.experimental_distribute_dataset(dataset.batch(examples))
            cohort.reset_metrics()
            iterator = iter(batches)
            for _ in range(3):
                step(iterator)
            return {each.name: float(each.result()) for each in cohort.metrics}

        return three_steps

    @parameterized.parameters(*two_replicas.SIZES)
    @pytest.mark.slow
    def test_three_steps_at_every_size(self, make_student):
        single, double = two_replicas.pair(make_student)
        train_single, train_double = self._loop(single), self._loop(double)
        for examples in two_replicas.SIZES[make_student]:
            expected, found = train_single(examples), train_double(examples)
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")


class OverflowTest(two_replicas.ReplicasTestCase):
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

        with two_replicas.strategy().scope():
            return two_replicas.cohort(student, optimizer=optimizer())

    @parameterized.product(
        huge=(slice(0, 4), slice(4, 8)),
        optimizer=(
            lambda: keras.optimizers.SGD(0.1),
            lambda: {"z": keras.optimizers.SGD(0.1), "a": keras.optimizers.Adam(0.01)},
        ),
    )
    def test_whichever_replica_overflows(self, huge, optimizer):
        cohort = self._make(optimizer)
        images, labels = two_replicas.data(8)
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


class AccumulationTest(two_replicas.ReplicasTestCase):
    """Each replica runs its part of the batch in parts; gradients are reduced once."""

    def _train(self, cohort, data, **kwargs):
        dataset = tf.data.Dataset.from_tensors(data).repeat(3).unbatch().batch(len(data[1]))
        return cohort.fit(dataset, shuffle=False, verbose=0, **kwargs).history

    def _pair(self, make_student, parts):
        pair = two_replicas.pair(make_student)
        for cohort, steps in zip(pair, parts):
            with cohort.distribute_strategy.scope():
                optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
                cohort.compile(optimizer, accumulation_steps=steps)
        return pair

    def test_three_steps_at_every_size(self):
        single, double = self._pair(two_replicas.dense_student, parts=(1, 4))
        for examples in (32, 17, 1):
            expected, found = (
                self._train(each, two_replicas.data(examples)) for each in (single, double)
            )
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")

    @pytest.mark.slow
    def test_gradients_are_reduced_once(self):
        strategy, crossing = two_replicas.strategy(), {}
        for parts in (1, 4):
            _, cohort = self._pair(two_replicas.dense_student, parts=(1, parts))
            batch = strategy.experimental_distribute_values_from_function(
                lambda _: two_replicas.data(8)
            )
            step = functools.partial(strategy.run, cohort.train_step)
            found = partitions.transfers(step, (batch,))
            # Counts and metrics are single numbers.
            sizes = [each.size for each in found if each.source == "CPU:1" and each.size != 4]
            crossing[parts] = sum(sizes)
        parameters = sum(each.numpy().size for each in cohort.trainable_variables)
        self.assertEqual(crossing, {1: 4 * parameters, 4: 4 * parameters})

    @pytest.mark.slow
    def test_synchronised_statistics_are_of_a_part_on_all_replicas(self):
        single, double = self._pair(two_replicas.normalized_student, parts=(2, 2))
        images, labels = two_replicas.data(4)
        # Replicas hold images 0, 1 and 2, 3: the first part is 0 and 2.
        order = [0, 2, 1, 3]
        expected = self._train(single, (images[order], labels[order]))
        self.assertAllClose(self._train(double, (images, labels)), expected, atol=1e-5)
        self.assert_same_weights(double, single)


class ExportedTeacherTest(two_replicas.ReplicasTestCase):
    """Steps with a teacher from an exported run, the rows of Table 1 that distil offline."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        keras.utils.set_random_seed(3)
        teacher = two_replicas.convolutional_student(5)
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
                    students[name] = two_replicas.dense_student(units)
            teacher = teachers.ServedTeacher(cls.path)
            cohort = kdcl_tf.OfflineDistillation(students, teacher)
            cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), **compiling)
        cohort.fit(*two_replicas.data(17), batch_size=17, shuffle=False, verbose=0)
        return cohort

    @parameterized.parameters(
        (True, {}, 1e-5),
        (False, {"jit_compile": True}, 1e-5),
        (True, {"jit_compile": True}, 5e-4),
        (False, {"devices": {"z": "CPU:0", "a": "CPU:1"}}, 1e-5),
    )
    @pytest.mark.slow
    def test_a_step(self, replicated, compiling, atol):
        strategy = two_replicas.strategy() if replicated else tf.distribute.get_strategy()
        found = self._trained(strategy, **compiling)
        for each, wanted in zip(found.variables, self.single.variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), atol=atol, msg=each.path)


if __name__ == "__main__":
    tf.test.main()
