"""Tests that `fit` trains on two replicas as on one device, whatever the size of the batch."""

import unittest

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf.students.normalization import FusedBatchNormalization
from tests.replicated import two_replicas


class FitTest(two_replicas.ReplicasTestCase):
    def _fit(self, cohort, examples, **kwargs):
        options = {"batch_size": examples, "epochs": 3, "shuffle": False, "verbose": 0, **kwargs}
        return cohort.fit(*two_replicas.data(examples), **options).history

    def _fit_dataset(self, cohort, examples):
        # A dataset does not tell its size, so that one graph serves every size.
        dataset = tf.data.Dataset.from_tensor_slices(two_replicas.data(examples)).batch(examples)
        return cohort.fit(dataset, epochs=3, shuffle=False, verbose=0).history

    @parameterized.parameters(two_replicas.dense_student, two_replicas.normalized_student)
    def test_three_steps_at_every_size(self, make_student):
        single, double = two_replicas.pair(make_student)
        for examples in two_replicas.SIZES[make_student]:
            expected = self._fit_dataset(single, examples)
            found = self._fit_dataset(double, examples)
            self.assertCountEqual(found, expected)
            self.assertAllClose(found, expected, atol=1e-5, msg=f"{examples} images")
            self.assert_same_weights(double, single, f"{examples} images")

    def test_a_short_last_batch_sample_weights_and_an_optimizer_for_each(self):
        single = two_replicas.cohort(
            two_replicas.dense_student, optimizer=self._optimizers(), ensemble="linear"
        )
        with two_replicas.strategy().scope():
            double = two_replicas.cohort(
                two_replicas.dense_student, optimizer=self._optimizers(), ensemble="linear"
            )
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
        with two_replicas.strategy().scope():
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
        teacher = two_replicas.dense_student(8)
        return two_replicas.cohort(
            two_replicas.dense_student, kdcl_tf.OfflineDistillation, teacher=teacher
        )

    def _optimizers(self):
        return {"z": keras.optimizers.SGD(0.1), "a": keras.optimizers.Adam(0.01)}

    def test_evaluation_and_prediction_count_every_image(self):
        single, double = two_replicas.pair(
            two_replicas.normalized_student, method=kdcl_tf.MutualLearning
        )
        for examples in (17, 1):
            images, labels = two_replicas.data(examples)
            options = {"batch_size": 16, "verbose": 0}
            expected, found = (
                each.evaluate(images, labels, return_dict=True, **options)
                for each in (single, double)
            )
            self.assertAllClose(found, expected, atol=1e-5)
            expected, found = (each.predict(images, **options) for each in (single, double))
            for name in ("z", "a"):
                self.assertAllClose(found[name], expected[name], atol=1e-5)


class HyperparametersTest(two_replicas.ReplicasTestCase):
    """Lambda and T are variables, which have a copy on each replica."""

    def test_they_are_scheduled_saved_and_loaded(self):
        with two_replicas.strategy().scope():
            cohort = two_replicas.cohort(two_replicas.dense_student)
        schedule = kdcl_tf.callbacks.Schedule(
            distillation_weight=lambda epoch: 0.5 + epoch, temperature=lambda epoch: 2.0 + epoch
        )
        images, labels = two_replicas.data(6)
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


class PlacementTest(two_replicas.ReplicasTestCase):
    def test_students_on_their_devices_are_not_replicated_too(self):
        with two_replicas.strategy().scope():
            cohort = kdcl_tf.KDCL({"z": two_replicas.dense_student(4)})
            with self.assertRaisesRegex(ValueError, "cannot be replicated too: leave out devices"):
                cohort.compile("sgd", devices={"z": "CPU:0"})


class GeneralTest(two_replicas.ReplicasTestCase):
    def test_renewed_weights_are_alike_on_both_replicas_and_on_one_device(self):
        single, double = self._general_pair()
        for cohort in (single, double):
            held_out = [two_replicas.data(9), two_replicas.data(4)]
            options = {"batch_size": 17, "epochs": 2, "shuffle": False, "verbose": 0}
            renew = kdcl_tf.callbacks.GeneralWeights(held_out)
            cohort.fit(*two_replicas.data(17), callbacks=[renew], **options)
        replicas = two_replicas.strategy().experimental_local_results(
            double.ensemble.student_weights.value
        )
        self.assertNotAllClose(single.ensemble.student_weights, [0.5, 0.5], atol=1e-3)
        for found in replicas:
            self.assertAllClose(found, single.ensemble.student_weights, atol=1e-4)
        self.assertAllEqual(replicas[0], replicas[-1])
        self.assert_same_weights(double, single)

    def _general_pair(self):
        """General holds its weights, so that each cohort needs one made in its scope."""
        single = two_replicas.cohort(
            two_replicas.normalized_student, ensemble=kdcl_tf.General(constraint="none")
        )
        with two_replicas.strategy().scope():
            ensemble = kdcl_tf.General(constraint="none")
            return single, two_replicas.cohort(two_replicas.normalized_student, ensemble=ensemble)


class ScopeTest(two_replicas.ReplicasTestCase):
    def test_an_optimizer_from_outside_the_scope_is_refused(self):
        with two_replicas.strategy().scope():
            cohort = kdcl_tf.KDCL({"z": two_replicas.dense_student(4)})
        made = keras.optimizers.SGD(0.1, momentum=0.9)
        for optimizer in (made, {"z": keras.optimizers.Adam(0.1)}):
            with self.assertRaisesRegex(ValueError, "made outside the scope of the cohort's"):
                cohort.compile(optimizer)

    @unittest.skipUnless(hasattr(keras.optimizers, "MultiOptimizer"), "Keras has none yet")
    def test_several_from_outside_the_scope_are_refused(self):
        several = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.Adam(0.1))
        )
        with two_replicas.strategy().scope():
            two = kdcl_tf.KDCL(
                {"z": two_replicas.dense_student(4), "a": two_replicas.dense_student(5)}
            )
        with self.assertRaisesRegex(ValueError, "made outside the scope of the cohort's"):
            two.compile(several)

    def test_an_optimizer_of_that_name_is_made_inside_it(self):
        with two_replicas.strategy().scope():
            cohort = kdcl_tf.KDCL({"z": two_replicas.dense_student(4)})
        for optimizer in ("sgd", {"z": "sgd"}):
            cohort.compile(optimizer)
            cohort.fit(*two_replicas.data(17), batch_size=17, verbose=0)
            (own,) = (cohort.student_optimizers or {"": cohort.optimizer}).values()
            self.assertAllEqual(own.iterations.numpy(), 1)

    def test_metrics_are_made_in_the_scope_of_the_cohort(self):
        with two_replicas.strategy().scope():
            cohort = kdcl_tf.KDCL({"z": two_replicas.dense_student(4)})
            optimizer = keras.optimizers.SGD(0.1)
        cohort.compile(optimizer, weighted_metrics=["accuracy"])
        images, labels = two_replicas.data(17)
        history = cohort.fit(images, labels, batch_size=17, verbose=0, epochs=2).history
        self.assertAllClose(history["z_weighted_accuracy"], history["z_accuracy"])
        self.assertAllEqual(optimizer.iterations.numpy(), 2)


if __name__ == "__main__":
    tf.test.main()
