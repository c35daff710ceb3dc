"""Tests of kdcl_tf.cohort.optimizers.student_optimizers."""

import os

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort.optimizers.parts import parts
from kdcl_tf.cohort.optimizers.student_optimizers import StudentOptimizers
from tests.small_cohort import CohortTestCase, compiled, fit, make_student


def _each(**kwargs):
    return {name: keras.optimizers.SGD(rate, **kwargs) for name, rate in (("z", 0.2), ("a", 0.1))}


class CallbacksTest(CohortTestCase):
    def _rates(self, cohort):
        return [float(each.learning_rate) for each in cohort.student_optimizers.values()]

    def test_the_rate_is_the_first_students_and_scales_all(self):
        cohort = compiled(optimizer=_each())
        self.assertAllClose(cohort.optimizer.learning_rate, 0.2)
        cohort.optimizer.learning_rate = 0.1
        self.assertAllClose(self._rates(cohort), [0.1, 0.05])
        cohort.optimizer.learning_rate = 0.0
        self.assertAllClose(self._rates(cohort), [0.0, 0.0])
        cohort.optimizer.learning_rate = 0.3
        self.assertAllClose(self._rates(cohort), [0.3, 0.15])

    def test_a_warm_up_from_0_keeps_the_ratio(self):
        cohort = compiled(optimizer=_each())
        warm_up = keras.callbacks.LearningRateScheduler(lambda epoch: 0.2 * min(1.0, epoch / 2))
        history = fit(cohort, callbacks=[warm_up], epochs=3)
        self.assertAllClose(history["learning_rate"], [0.0, 0.1, 0.2])
        self.assertAllClose(self._rates(cohort), [0.2, 0.1])

    def test_a_cohort_that_was_saved_at_0_goes_on_with_the_ratio(self):
        cohort = compiled(optimizer=_each())
        cohort.optimizer.learning_rate = 0.0
        folder = self.create_tempdir().full_path
        cohort.save(os.path.join(folder, "cohort.keras"))
        cohort.save_weights(os.path.join(folder, "cohort.weights.h5"))
        loaded = keras.saving.load_model(os.path.join(folder, "cohort.keras"))
        weights = compiled(optimizer=_each())
        weights.load_weights(os.path.join(folder, "cohort.weights.h5"))
        with self.assertRaisesRegex(ValueError, "the optimizer was not built for the variable"):
            compiled(optimizer=cohort.optimizer)
        cohort.compile(cohort.optimizer)
        for each in (loaded, weights, cohort):
            self.assertAllClose(self._rates(each), [0.0, 0.0])
            each.optimizer.learning_rate = 0.3
            self.assertAllClose(self._rates(each), [0.3, 0.15])

    def test_rates_of_replicas_are_read_and_set(self):
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        with strategy.scope():
            cohort = compiled(optimizer=_each())
        for rate in (0.0, 0.4):
            cohort.optimizer.learning_rate = rate
        self.assertAllClose(cohort.optimizer.rates, {"z": 0.4, "a": 0.2})

    def test_a_first_rate_of_0_scales_only_equal_ones(self):
        cohort = compiled(optimizer={"z": keras.optimizers.SGD(0.0), "a": "sgd"})
        with self.assertRaisesRegex(
            ValueError, "first student's learning rate other than 0, .* got"
        ):
            cohort.optimizer.learning_rate = 0.3
        cohort = compiled(optimizer=keras.optimizers.SGD(0.0, global_clipnorm=1.0))
        cohort.optimizer.learning_rate = 0.3
        self.assertAllClose(self._rates(cohort), [0.3, 0.3])

    def test_nothing_is_set_where_a_student_has_a_schedule(self):
        schedule = keras.optimizers.schedules.CosineDecay(0.2, 10)
        cohort = compiled(optimizer={"z": "sgd", "a": keras.optimizers.SGD(schedule)})
        with self.assertRaisesRegex(TypeError, "can be set; got a schedule as that of a: give"):
            cohort.optimizer.learning_rate = 0.05
        self.assertAllClose(self._rates(cohort), [0.01, 0.2])

    def test_students_of_one_rate_take_a_schedule(self):
        schedule = keras.optimizers.schedules.CosineDecay(0.3, 3)
        given = keras.optimizers.SGD(0.1, global_clipnorm=1.0)
        cohort = compiled(optimizer=given)
        cohort.optimizer.learning_rate = schedule
        fit(cohort)
        self.assertAllClose(self._rates(cohort), [schedule(3)] * 2)
        cohort.student_optimizers["z"].iterations.assign(1)  # Steps that overflow are left out.
        longer = keras.optimizers.schedules.CosineDecay(0.3, 9)
        cohort.optimizer.learning_rate = longer
        self.assertAllClose(self._rates(cohort), [longer(1), longer(3)])
        cohort = compiled(optimizer=_each())
        with self.assertRaisesRegex(ValueError, "students of one learning rate.*got {'z': 0.2"):
            cohort.optimizer.learning_rate = schedule
        self.assertAllClose(self._rates(cohort), [0.2, 0.1])

    def test_schedulers_set_it(self):
        cohort = compiled(optimizer=_each())
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        history = fit(cohort, callbacks=[scheduler], epochs=2)
        self.assertAllClose(history["learning_rate"], [0.1, 0.05])
        self.assertAllClose(self._rates(cohort), [0.05, 0.025])

    def test_a_plateau_halves_it(self):
        cohort = compiled(optimizer={"z": "sgd", "a": keras.optimizers.SGD(0.02)})
        plateau = keras.callbacks.ReduceLROnPlateau(
            "loss", factor=0.5, patience=1, min_delta=100.0, mode="min"
        )
        fit(cohort, callbacks=[plateau], epochs=3)
        self.assertAllClose(self._rates(cohort), [0.0025, 0.005])

    def test_tensorboard_logs_it(self):
        folder = self.create_tempdir().full_path
        fit(compiled(optimizer=_each()), callbacks=[keras.callbacks.TensorBoard(folder)])
        self.assertNotEmpty(os.listdir(folder))

    def test_averages_are_swapped_for_evaluation_and_are_the_end(self):
        cohort = compiled(optimizer=_each(use_ema=True, ema_momentum=0.5))
        expected = compiled(optimizer=_each(use_ema=True, ema_momentum=0.5))
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        fit(cohort, callbacks=[swap], epochs=1)
        fit(expected, epochs=1)
        self.assert_same_weights(cohort, expected)

    def test_averages_of_a_student_frozen_since_stay_with_it(self):
        student = make_student(4)
        used = keras.optimizers.SGD(0.2, use_ema=True, ema_momentum=0.5)
        student.compile(used, "mse", run_eagerly=True)
        fit(student, tf.ones([5, 5]), tf.ones([5, 6]))
        student.trainable = False
        before = student.get_weights()

        def trained(optimizer):
            # Of the same shapes, so that another's averages would fit.
            students = {"z": student, "a": keras.models.clone_model(student)}
            students["a"].trainable = True
            students["a"].set_weights([each + 0.1 for each in before])
            cohort = compiled(students=students, optimizer={"z": optimizer, "a": "sgd"})
            fit(cohort)
            return students["a"]

        self.assert_same_weights(trained(used), trained("sgd"))
        for found, wanted in zip(student.get_weights(), before, strict=True):
            self.assertAllEqual(found, wanted)

    def test_backup_and_restore_goes_on(self):
        class Dying(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 1:
                    raise KeyboardInterrupt

        folder = self.create_tempdir().full_path
        backup = keras.callbacks.BackupAndRestore(os.path.join(folder, "backup"))
        optimizers = {"z": keras.optimizers.SGD(0.2, momentum=0.9), "a": "adam"}
        with self.assertRaises(KeyboardInterrupt):
            fit(compiled(optimizer=optimizers), epochs=3, callbacks=[backup, Dying()])
        optimizers = {"z": keras.optimizers.SGD(0.2, momentum=0.9), "a": "adam"}
        resumed = compiled(
            students={"z": make_student(4), "a": make_student(7)}, optimizer=optimizers
        )
        fit(resumed, epochs=3, callbacks=[backup])
        expected = compiled(optimizer={"z": keras.optimizers.SGD(0.2, momentum=0.9), "a": "adam"})
        fit(expected, epochs=3)
        self.assert_same_weights(resumed, expected)


class WeightDecayTest(CohortTestCase):
    @parameterized.parameters("global_clipnorm", "dict", "loss scales", "one loss scale")
    def test_what_is_excluded_does_not_decay(self, form):
        """Students of ones, on images of zeros: kernels have no gradient, and only decay."""

        def make(**kwargs):
            return keras.optimizers.AdamW(0.1, weight_decay=0.5, **kwargs)

        given = {
            "global_clipnorm": make(global_clipnorm=1.0),
            "dict": {"z": make(), "a": make()},
            "loss scales": {n: keras.optimizers.LossScaleOptimizer(make()) for n in "za"},
            "one loss scale": keras.optimizers.LossScaleOptimizer(make()),
        }[form]
        head = keras.layers.Dense(6, kernel_initializer="ones")
        student = keras.Sequential([keras.Input((5,)), head])
        students = {"z": student, "a": keras.models.clone_model(student)}
        cohort = compiled(methods.Independent, students, given)
        data = tf.zeros([5, 5]), tf.zeros([5], tf.int32)
        cohort.train_on_batch(*data)
        for each in students.values():
            self.assertAllClose(each.layers[0].kernel, 0.95 * tf.ones([5, 6]))
        cohort.optimizer.exclude_from_weight_decay(
            var_list=[students["z"].layers[0].kernel], var_names=["bias"]
        )
        cohort.train_on_batch(*data)
        self.assertAllClose(students["z"].layers[0].kernel, 0.95 * tf.ones([5, 6]))
        self.assertAllClose(students["a"].layers[0].kernel, 0.95**2 * tf.ones([5, 6]))

    @parameterized.parameters("one", "parts", "each", "global_clipnorm")
    def test_a_loss_scale_and_one_of_several_may_be_told_before(self, form):
        kinds, clips = keras.optimizers, form == "global_clipnorm"

        def scaled():
            inner = kinds.AdamW(weight_decay=1.0, global_clipnorm=1.0 if clips else None)
            return kinds.LossScaleOptimizer(inner)

        if form == "parts" and not hasattr(kinds, "MultiOptimizer"):
            self.skipTest("Keras has none yet")
        given = {"z": scaled(), "a": scaled()} if form == "each" else {"": scaled()}
        if form == "parts":
            several = kinds.OptimizerMap(kinds.AdamW(weight_decay=1.0), {".*none": kinds.SGD()})
            given = {"": kinds.MultiOptimizer(several)}
        for each in given.values():
            each.exclude_from_weight_decay(var_names=["kernel"])
        cohort = compiled(methods.Independent, optimizer=given if form == "each" else given[""])
        own = cohort.student_optimizers or {"": cohort.optimizer}
        kernel, bias = cohort.students["z"].layers[0].weights
        for each in own.values():
            for part in parts(each):
                decays = part._use_weight_decay(kernel), part._use_weight_decay(bias)
                self.assertEqual(decays, (False, True))

    def test_it_may_be_told_before_students_have_it(self):
        given = StudentOptimizers({name: keras.optimizers.AdamW(weight_decay=1.0) for name in "za"})
        given.exclude_from_weight_decay(var_names=["kernel"])
        cohort = compiled(optimizer=given)
        kernel, bias = cohort.students["z"].layers[0].weights
        for each in cohort.student_optimizers.values():
            decays = each._use_weight_decay(kernel), each._use_weight_decay(bias)
            self.assertEqual(decays, (False, True))


if __name__ == "__main__":
    tf.test.main()
