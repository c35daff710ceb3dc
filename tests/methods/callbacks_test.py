"""Tests of kdcl_tf.methods.callbacks."""

import warnings

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import KDCL, Independent, callbacks
from kdcl_tf.objectives import ensembles


def _student(units):
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4),
        ]
    )


def _data(examples=20, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, 5]).astype(np.float32)
    return images, rng.integers(4, size=examples)


def _weights_by_hand(cohort, images, labels, error):
    """Eq. 11 from `student.predict`, in float64."""
    logits = [each.predict(images, verbose=0) for each in cohort.students.values()]
    exponentials = np.exp(np.stack(logits).astype(np.float64))
    errors = exponentials / exponentials.sum(-1, keepdims=True) - np.eye(4)[labels]
    if error == "target":
        errors = errors[:, np.arange(len(labels)), labels]
    flat = errors.reshape(len(errors), -1)
    inverse = np.linalg.inv(flat @ flat.T).sum(1)
    return inverse / inverse.sum()


class _Recorder(keras.callbacks.Callback):
    """What the weights should be at the end of each epoch, before the other callback."""

    def __init__(self, images, labels, error):
        super().__init__()
        self.held_out, self.error = (images, labels), error
        self.expected, self.statistics = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.expected.append(_weights_by_hand(self.model, *self.held_out, self.error))
        self.statistics = self.model.students["a"].layers[1].get_weights()


class GeneralWeightsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(3)

    @parameterized.parameters("vector", "target")
    def test_the_weights_follow_the_students_every_epoch_and_are_logged(self, error):
        cohort = KDCL(
            {"z": _student(3), "a": _student(6)},
            ensembles.General(error=error, constraint="none"),
        )
        cohort.compile(keras.optimizers.SGD(0.2))
        recorder = _Recorder(*_data(30, 1), error)
        held_out = tf.data.Dataset.from_tensor_slices(_data(30, 1)).batch(16)
        history = cohort.fit(
            *_data(),
            epochs=3,
            verbose=0,
            callbacks=[recorder, callbacks.GeneralWeights(held_out)],
        ).history
        found = np.stack([history["general_weight_z"], history["general_weight_a"]], axis=1)
        self.assertAllClose(found, recorder.expected, rtol=1e-3, atol=1e-4)
        self.assertNotAllClose(found[0], found[2])
        self.assertAllClose(cohort.ensemble.student_weights, found[-1])
        for moving, before in zip(
            cohort.students["a"].layers[1].get_weights(), recorder.statistics
        ):
            self.assertAllEqual(moving, before)

    def test_the_second_epoch_learns_from_the_weights_of_the_first(self):
        images, labels = _data()
        weights = iter([[1.0, 0.0], [0.0, 1.0]])
        cohort = KDCL({"z": _student(3), "a": _student(6)}, "general", temperature=1.0)
        cohort.compile(keras.optimizers.SGD(0.0))
        choose = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: cohort.ensemble.student_weights.assign(next(weights))
        )
        history = cohort.fit(
            images, labels, batch_size=20, epochs=2, verbose=0, callbacks=[choose]
        ).history
        for student, others in (("z", 1), ("a", 0)):
            losses = history[f"{student}_distillation_loss"]
            self.assertAllClose(losses[1 - others], 0.0, atol=1e-6)
            self.assertGreater(losses[others], 1e-3)

    def _with_one_better(self):
        cohort = KDCL({"z": _student(3), "a": _student(6)}, "general")
        cohort.compile(keras.optimizers.SGD(0.0))
        images, labels = _data(40, 1)
        # Of two students that differ in confidence one gets all the weight.
        for layer in (cohort.students["a"].layers[0], cohort.students["a"].layers[2]):
            layer.set_weights([3 * each for each in layer.get_weights()])
        return cohort, images, labels

    @parameterized.parameters(1, 3)
    def test_the_validation_of_an_epoch_is_of_its_weights(self, steps):
        cohort, images, labels = self._with_one_better()
        cohort.compile(keras.optimizers.SGD(0.0), steps_per_execution=steps)
        renew = callbacks.GeneralWeights((images[:20], labels[:20]))
        history = cohort.fit(
            images,
            labels,
            batch_size=10,
            verbose=0,
            validation_data=(images, labels),
            callbacks=[renew],
        ).history
        alone = cohort.evaluate(images, labels, verbose=0, return_dict=True, callbacks=[renew])
        self.assertEqual(history["val_ensemble_accuracy"][-1], alone["ensemble_accuracy"])
        self.assertNotAllClose(history["general_weight_z"][-1], 0.5, atol=0.05)
        cohort.ensemble.student_weights.assign([0.5, 0.5])
        equal = cohort.evaluate(images, labels, verbose=0, return_dict=True, callbacks=[renew])
        self.assertNotEqual(equal["ensemble_accuracy"], alone["ensemble_accuracy"])
        self.assertAllEqual(cohort.ensemble.student_weights, [0.5, 0.5])

    def test_each_epoch_renews_once_whether_it_validates_or_not(self):
        cohort, images, labels = self._with_one_better()
        renewed, renew_ensemble = [], cohort.renew_ensemble
        cohort.renew_ensemble = lambda held_out: renewed.append(1) or renew_ensemble(held_out)
        counts = []
        history = cohort.fit(
            images,
            labels,
            epochs=3,
            verbose=0,
            validation_data=(images, labels),
            validation_freq=2,
            callbacks=[
                callbacks.GeneralWeights((images, labels)),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: counts.append(len(renewed))),
            ],
        ).history
        self.assertEqual(counts, [1, 2, 3])
        self.assertLen(history["general_weight_z"], 3)
        self.assertLen(history["val_loss"], 1)

    def test_it_fits_to_the_students_that_train_and_not_to_their_averages(self):
        cohort, images, labels = self._with_one_better()
        cohort.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))
        seen = []
        history = cohort.fit(
            images,
            labels,
            verbose=0,
            validation_data=(images, labels),
            callbacks=[
                keras.callbacks.SwapEMAWeights(),
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda *_: seen.append(cohort.renew_ensemble([(images, labels)]))
                ),
                callbacks.GeneralWeights((images, labels)),
            ],
        ).history
        self.assertAllClose(history["general_weight_z"], [seen[0]["z"]], atol=1e-5)

    @parameterized.parameters((KDCL, "KDCL with MinLogit"), (Independent, "Independent with None"))
    def test_another_method_is_refused_before_the_first_step(self, method, named):
        cohort = method({"a": _student(3)})
        cohort.compile("sgd")
        before = cohort.get_weights()
        with self.assertRaisesRegex(
            ValueError, f"KDCL cohort with a General ensemble; got {named}"
        ):
            cohort.fit(*_data(), verbose=0, callbacks=[callbacks.GeneralWeights([_data()])])
        for found, expected in zip(cohort.get_weights(), before):
            self.assertAllEqual(found, expected)

    def test_no_held_out_images_are_refused(self):
        cohort = KDCL({"a": _student(3)}, "general")
        cohort.compile("sgd")
        with self.assertRaisesRegex(ValueError, "expected held-out images .*; got none"):
            cohort.fit(*_data(), verbose=0, callbacks=[callbacks.GeneralWeights([])])


class ScheduleTest(tf.test.TestCase):
    def test_every_epoch_has_its_values_and_every_callback_sees_them(self):
        keras.utils.set_random_seed(3)
        cohort = KDCL({"z": _student(3), "a": _student(6)})
        cohort.compile(keras.optimizers.SGD(0.0))
        seen = []
        logger = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: seen.append(float(cohort.distillation_weight)),
            on_epoch_end=lambda epoch, logs: seen.append(logs["distillation_weight"]),
        )
        schedule = callbacks.Schedule(
            distillation_weight=lambda epoch: 0.5 * epoch, temperature=lambda epoch: epoch + 1
        )
        history = cohort.fit(*_data(), epochs=3, verbose=0, callbacks=[logger, schedule]).history
        self.assertEqual(seen, [0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
        self.assertEqual(history["distillation_weight"], [0.0, 0.5, 1.0])
        self.assertEqual(history["temperature"], [1.0, 2.0, 3.0])
        entropies = sum(history[f"{name}_cross_entropy"][0] for name in "za")
        self.assertAllClose(history["loss"][0], entropies)
        self.assertGreater(history["loss"][2], history["loss"][0] + 1e-3)

    def test_the_epochs_of_a_fit_that_goes_on_are_counted_from_the_first(self):
        cohort = KDCL({"z": _student(3)})
        cohort.compile("sgd")
        schedule = callbacks.Schedule(distillation_weight=float)
        cohort.fit(*_data(), initial_epoch=4, epochs=6, verbose=0, callbacks=[schedule])
        self.assertEqual(cohort.distillation_weight, 5.0)

    def test_what_cannot_set_anything_is_refused(self):
        for arguments in ({}, {"temperature": 2.0}):
            with self.assertRaisesRegex(ValueError, "Schedule expected a function of the epoch"):
                callbacks.Schedule(**arguments)
        student = _student(3)
        student.compile("sgd", "mse")
        with self.assertRaisesRegex(ValueError, "Schedule expected a cohort; got Sequential"):
            student.fit(*_data(), verbose=0, callbacks=[callbacks.Schedule(float)])

    def test_a_value_that_a_cohort_refuses_ends_the_fit(self):
        cohort = KDCL({"z": _student(3)})
        cohort.compile("sgd")
        with self.assertRaisesRegex(ValueError, "temperature must be > 0; got 0.0"):
            cohort.fit(*_data(), verbose=0, callbacks=[callbacks.Schedule(temperature=float)])


class HeldOutTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(3)
        self.cohort = KDCL({"z": _student(3), "a": _student(6)}, "general")
        self.cohort.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
        self.expected = self.cohort.renew_ensemble([_data(30, 1)])

    def _weights(self, held_out):
        callback = callbacks.GeneralWeights(held_out)
        callback.set_model(self.cohort)
        callback.on_train_begin()
        return self.cohort.renew_ensemble(callback.held_out)

    def test_every_form_gives_the_same_weights(self):
        images, labels = _data(30, 1)
        dataset = tf.data.Dataset.from_tensor_slices((images, labels))
        views = {"z": images, "a": images}
        one_hot = tf.data.Dataset.from_tensor_slices((images, np.eye(4, dtype=np.float32)[labels]))
        for held_out in (
            (images, labels),
            (images, labels, np.ones(30)),
            (images, labels.tolist()),
            [images, labels],
            (views, labels),
            dataset,
            dataset.batch(7),
            tf.data.Dataset.from_tensor_slices((views, labels, np.ones(30))),
            one_hot,
            one_hot.batch(7),
            [(images[:10], labels[:10]), (images[10:], labels[10:])],
            ((images[:10], labels[:10]), (images[10:], labels[10:])),
            [(images, labels, np.full([30, 1], 2.0))],
        ):
            found = self._weights(held_out)
            self.assertAllClose(found, self.expected, atol=1e-5)
        self.assertNotAllClose(self.expected["z"], 0.5, atol=1e-3)

    def test_students_may_have_several_inputs(self):
        def student(units):
            parts = {name: keras.Input((5,), name=name) for name in ("p", "q", "r")}
            x = keras.layers.Dense(units)(keras.layers.Concatenate()(list(parts.values())))
            return keras.Model(parts, keras.layers.Dense(4)(x))

        self.cohort = KDCL({"z": student(3), "a": student(6)}, "general")
        self.cohort.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
        images, labels = _data(30, 1)
        dataset = tf.data.Dataset.from_tensor_slices((dict.fromkeys("pqr", images), labels))
        self.assertAllClose(self._weights(dataset), self._weights(dataset.batch(7)), atol=1e-5)

    @parameterized.parameters(list, tuple)
    def test_several_inputs_may_be_a_list(self, form):
        def student(units):
            parts = [keras.Input((5,)) for _ in range(2)]
            x = keras.layers.Dense(units)(keras.layers.Concatenate()(parts))
            return keras.Model(parts, keras.layers.Dense(4)(x))

        self.cohort = KDCL({"z": student(3), "a": student(6)}, "general")
        self.cohort.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
        images, labels = _data(30, 1)
        inputs = (images, 2.0 * images)
        batches = [((inputs[0][:9], inputs[1][:9]), labels[:9])]
        batches += [((inputs[0][9:], inputs[1][9:]), labels[9:])]
        expected = self._weights(batches)
        self.assertAllClose(self._weights(form([form(inputs), labels])), expected, atol=1e-5)
        self.assertNotAllClose(expected["z"], 0.5, atol=1e-3)

    @parameterized.parameters("vector", "target")
    def test_an_image_counts_as_often_as_its_weight_says(self, error):
        self.cohort.ensemble.error = error
        images, labels = _data(12, 1)
        counts = np.arange(12) % 3
        often = (np.repeat(images, counts, axis=0), np.repeat(labels, counts))
        self.assertAllClose(
            self._weights((images, labels, counts)), self._weights(often), atol=1e-5
        )

    def test_what_can_be_read_only_once_is_refused(self):
        def batches():
            yield _data()

        for once in (batches(), iter([_data()]), 3):
            with self.assertRaisesRegex(ValueError, "GeneralWeights expected arrays .*; got "):
                callbacks.GeneralWeights(once)

    def test_what_would_fail_after_an_epoch_is_refused_before_the_first(self):
        images, labels = _data()
        for held_out, message in (
            (tf.data.Dataset.from_tensor_slices((images, labels)).repeat(), "images that end; got"),
            (
                tf.data.Dataset.from_tensor_slices((images, labels)).batch(5).repeat(),
                "leave out re",
            ),
            ([], "expected held-out images .*; got none"),
            ((images[:0], labels[:0]), "expected held-out images .*; got none"),
            (list(zip(images, labels)), "got the label of one example: pass batches"),
            ([(images, labels + 4)], "whole numbers from 0 to 3; got"),
            ((images, labels + 4), "whole numbers from 0 to 3; got"),
            (
                tf.data.Dataset.from_tensor_slices((images, labels + 4)).batch(5),
                "whole numbers from 0 to 3; got",
            ),
            (
                tf.data.Dataset.from_tensor_slices((images, labels))
                .filter(lambda *_: False)
                .batch(5),
                "expected held-out images .*; got none",
            ),
        ):
            callback = callbacks.GeneralWeights(held_out)
            callback.set_model(self.cohort)
            with self.assertRaisesRegex(ValueError, message):
                callback.on_train_begin()

    def test_images_without_labels_are_refused(self):
        images, labels = _data()
        for held_out, message in (
            (tf.data.Dataset.from_tensor_slices(images), "a tf.data.Dataset of .*; got one of"),
            (tf.data.Dataset.from_tensor_slices({"x": images}), "got one of {'x'"),
            ((images,), "got 1 arrays"),
            ([images, labels, labels, labels], "got 4 arrays"),
        ):
            with self.assertRaisesRegex(ValueError, f"GeneralWeights expected .*{message}"):
                callbacks.GeneralWeights(held_out)

    def test_labels_that_are_no_classes_end_the_fit_in_a_line(self):
        images, labels = _data()
        renew = callbacks.GeneralWeights((images, labels + 4))
        with self.assertRaisesRegex(ValueError, "^labels: expected whole .* 0 to 3; got [4-7, ]+$"):
            self.cohort.fit(images, labels, verbose=0, callbacks=[renew])

    def test_equal_weights_need_no_callback(self):
        cohort = KDCL({"a": _student(3)}, ensembles.General(constraint="equal"))
        cohort.compile("sgd")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            history = cohort.fit(*_data(), epochs=2, verbose=0).history
        self.assertLen(history["loss"], 2)

    def test_other_callbacks_see_the_weights_whatever_their_order(self):
        path = self.create_tempfile().full_path
        log = keras.callbacks.CSVLogger(path)
        renew = callbacks.GeneralWeights(_data(30, 1))
        self.cohort.fit(*_data(), epochs=2, verbose=0, callbacks=[log, renew])
        with open(path) as file:
            self.assertIn("general_weight_z", file.readline())

    def test_without_it_fit_says_that_weights_stay(self):
        with self.assertWarnsRegex(UserWarning, "pass callbacks=.*GeneralWeights"):
            self.cohort.fit(*_data(), verbose=0)

    def test_what_is_no_number_is_named(self):
        images, labels = _data(30, 1)
        images[17, 2] = np.nan
        with self.assertRaisesRegex(ValueError, "image 7 of batch 1 has pixels that are not"):
            self._weights([(images[:10], labels[:10]), (images[10:], labels[10:])])
        kernel = self.cohort.students["a"].layers[0].kernel
        kernel.assign(np.nan * np.asarray(kernel))
        with self.assertRaisesRegex(ValueError, "student a gives NaN for images of batch 0"):
            self._weights(_data())


if __name__ == "__main__":
    tf.test.main()
