"""Tests of kdcl_tf.cohort.fitting."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort import fitting
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    compiled_graph,
    fit,
    make_data,
    make_student,
)


class _Noting(keras.callbacks.Callback):
    def __init__(self, notes, name, comes_first=False):
        super().__init__()
        self.notes, self.name, self.comes_first = notes, name, comes_first

    def on_epoch_end(self, epoch, logs=None):
        self.notes.append(self.name)


def _forget_shape(labels):
    found = tf.numpy_function(lambda array: array, [labels], tf.float32)
    found.set_shape([None, None])
    return found


class CallbacksTest(CohortTestCase):
    def test_those_that_come_first_do_and_the_others_keep_their_order(self):
        notes = []
        names = (("a", False), ("b", True), ("c", False), ("d", True))
        callbacks = [_Noting(notes, *each) for each in names]
        fit(compiled(), epochs=1, callbacks=callbacks)
        self.assertEqual(notes, ["b", "d", "a", "c"])

    @parameterized.parameters(True, False)
    def test_every_form_of_several_is_put_in_order(self, is_keras_list):
        notes, seen, cohort = [], [], compiled()
        callbacks = [[_Noting(notes, "a")], [_Noting(notes, "b", comes_first=True)]]
        if is_keras_list:
            callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=cohort)
        cohort.check_callbacks = seen.extend
        fit(cohort, epochs=1, callbacks=callbacks)
        self.assertEqual(notes, ["b", "a"])
        self.assertContainsSubset("ab", [getattr(each, "name", None) for each in seen])

    def test_one_callback_and_a_list_of_keras(self):
        notes = []
        fit(compiled(), epochs=1, callbacks=_Noting(notes, "alone"))
        cohort = compiled()
        listed = keras.callbacks.CallbackList(
            [_Noting(notes, "listed")], add_history=True, model=cohort, epochs=1
        )
        fit(cohort, epochs=1, callbacks=listed)
        self.assertEqual(notes, ["alone", "listed"])


class LabelsTest(CohortTestCase):
    @parameterized.product(wrong=((-1, "-1"), (6, "6"), (2.5, "2.5")), run_eagerly=(True, False))
    def test_what_is_no_class_is_told_in_one_line(self, wrong, run_eagerly):
        (value, text), (images, labels) = wrong, make_data()
        labels = labels.astype(type(value))
        labels[7] = value
        cohort = compiled(run_eagerly=run_eagerly)
        message = f"^labels: expected whole numbers from 0 to 5; got {text}$"
        with self.assertRaisesRegex(ValueError, message):
            fit(cohort, images, labels)
        with self.assertRaisesRegex(ValueError, message):
            cohort.evaluate(images, labels, verbose=0)

    def test_arguments_have_keras_order(self):
        history = compiled().fit(*make_data(), 5, 1, 0, None, 0.5).history
        self.assertIn("val_loss", history)

    def test_several_are_told(self):
        labels = np.array([9, 1, 8, 7, 6])
        with self.assertRaisesRegex(ValueError, "got 9, 8, 7$"):
            fit(compiled(), make_data(5)[0], labels)

    @parameterized.parameters("float32", "int64", "uint8", "int16")
    def test_classes_of_any_type_of_number(self, dtype):
        images, labels = make_data()
        expected = fit(compiled())
        self.assertAllClose(fit(compiled(), images, labels.astype(dtype)), expected)
        column = labels.astype(dtype)[:, None]
        self.assertAllClose(fit(compiled(), images, column), expected)

    @parameterized.parameters(
        ("uint8", 255, 256), ("int8", 127, 128), ("uint8", 200, 300), ("bfloat16", 256, 257)
    )
    def test_a_type_need_not_have_the_number_of_classes(self, dtype, label, classes):
        labels = tf.cast([label, 0], dtype)
        in_a_graph = tf.function(lambda: fitting.checked_labels(labels, classes))
        for found in (fitting.checked_labels(labels, classes), in_a_graph()):
            self.assertAllEqual(tf.cast(found, "int64"), [label, 0])

    @parameterized.parameters(("uint8", 255, 255), ("int8", -1, 128), ("uint8", 44, 44))
    def test_a_narrow_type_may_have_what_is_no_class(self, dtype, label, classes):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, f"to {classes - 1}"):
            fitting.checked_labels(tf.constant([label], dtype), classes)

    def test_uint8_labels_of_256_classes_train_as_any_others(self):
        images, _ = make_data()
        labels = np.arange(242, 256)
        losses = [
            fit(compiled(students={"a": make_student(classes=256)}), images, labels.astype(dtype))
            for dtype in ("uint8", "int64")
        ]
        self.assertAllClose(*losses)

    def test_what_is_no_number_is_refused_before_it_runs(self):
        with self.assertRaisesRegex(ValueError, "from 0 to 5; got labels of type bool"):
            fitting.checked_labels(np.zeros([4], bool), 6)

    @parameterized.parameters(True, False)
    def test_examples_that_are_in_no_batch_are_refused(self, eagerly):
        data = tf.data.Dataset.from_tensor_slices(make_data())
        for call in ("fit", "evaluate"):
            with self.assertRaisesRegex(ValueError, r"the label of one example: pass batches"):
                getattr(compiled(run_eagerly=eagerly), call)(data, verbose=0)

    def test_one_hot_labels_may_be_bool(self):
        images, labels = make_data()
        losses = [
            fit(compiled(), images, each)["loss"]
            for each in (labels, np.eye(6)[labels].astype(bool))
        ]
        self.assertAllClose(*losses)

    def test_probabilities_pass(self):
        soft = np.full([3, 6], 1 / 6, np.float32)
        self.assertAllEqual(fitting.checked_labels(soft, 6), soft)

    def test_probabilities_of_unknown_width_train_as_of_a_known_one(self):
        images, labels = make_data()
        mixed = 0.7 * np.eye(6)[labels] + 0.3 * np.eye(6)[labels[::-1]]
        data = tf.data.Dataset.from_tensor_slices((images, mixed.astype(np.float32))).batch(7)
        unknown = data.map(lambda image, label: (image, _forget_shape(label)))
        weights = []
        for each in (data, unknown):
            cohort = compiled_graph()
            cohort.fit(each, validation_data=each, verbose=0)
            weights.append(cohort.get_weights())
        self.assertAllClose(*weights)

    @parameterized.parameters(1, 5)
    def test_probabilities_of_another_width_are_told_in_one_line(self, width):
        images, _ = make_data()
        labels = np.ones([len(images), width], np.float32)
        data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(7)
        data = data.map(lambda image, label: (image, _forget_shape(label)))
        message = rf"^labels: expected a probability for each of 6 classes, .*\); got {width}$"
        with self.assertRaisesRegex(ValueError, message):
            compiled_graph().fit(data, verbose=0)

    @parameterized.parameters("fit", "evaluate")
    def test_one_hot_whole_numbers_of_unknown_width_are_told_in_one_line(self, call):
        images, labels = make_data()
        one_hot = np.eye(6, dtype=np.int64)[labels]
        spec = tf.TensorSpec([None, 5]), tf.TensorSpec([None, None], tf.int64)
        data = tf.data.Dataset.from_generator(
            lambda: iter([(images, one_hot)]), output_signature=spec
        )
        with self.assertRaisesRegex(
            ValueError, r"^labels: expected one class .* \(make one-hot .* set_shape\); got 6$"
        ):
            getattr(compiled_graph(), call)(data, verbose=0)

    def test_one_batch_is_told_of_in_one_line_as_well(self):
        images, labels = make_data()
        for call in ("train_on_batch", "test_on_batch"):
            with self.assertRaisesRegex(ValueError, "from 0 to 5; got 6"):
                getattr(compiled_graph(), call)(images, labels + (labels == labels.max()))

    def test_weights_that_are_not_one_for_each_example_are_refused(self):
        images, labels = make_data()
        for weights in (np.ones([14, 2]), np.ones([14, 1, 1])):
            with self.assertRaisesRegex(
                ValueError, r"sample_weight: expected shape \[B\] or \[B, 1\].*; got \(.+, "
            ):
                fit(compiled(), sample_weight=weights)
            with self.assertRaisesRegex(ValueError, "sample_weight: expected shape"):
                compiled().test_on_batch(images, labels, sample_weight=weights)

    @parameterized.parameters("array", "unknown width")
    def test_methods_get_columns_of_labels_and_weights_flat(self, form):
        class Seeing(methods.KDCL):
            def distillation_losses(self, logits, labels, views):
                seen.append(labels.shape.rank)
                return super().distillation_losses(logits, labels, views)

        images, labels = make_data()
        seen, weights = [], np.linspace(0.1, 2, len(labels))
        columns = labels[:, None].astype("uint8"), weights[:, None]
        expected = fit(compiled(weighted_metrics=["accuracy"]), sample_weight=weights)
        data = tf.data.Dataset.from_tensor_slices((images, *columns)).batch(5)
        if form == "unknown width":

            def forget(images, *columns):
                return images, *(tf.reshape(each, [tf.shape(images)[0], -1]) for each in columns)

            data = data.map(forget)
        cohort = compiled(Seeing, weighted_metrics=["accuracy"], run_eagerly=False)
        self.assertAllClose(fit(cohort, data, batch_size=None), expected, rtol=1e-5)
        self.assertEqual(set(seen), {1})

    @parameterized.parameters("labels", "views")
    def test_what_has_no_known_rank_is_told_in_one_line(self, what):
        def unknown(tensor):
            return tf.numpy_function(lambda array: array, [tensor], tensor.dtype)

        data = tf.data.Dataset.from_tensor_slices(make_data()).batch(7)
        if what == "labels":
            data = data.map(lambda image, label: (image, unknown(label)))
        else:
            data = data.map(lambda image, label: (dict.fromkeys("za", unknown(image)), label))
        with self.assertRaisesRegex(
            ValueError, f"^{what}: expected .*; got a .*: call its set_shape"
        ):
            compiled_graph().fit(data, verbose=0)

    def test_a_student_may_know_the_rank_of_its_views(self):
        class Knowing(keras.Model):
            def __init__(self, ensure=tf.ensure_shape):
                super().__init__()
                self.ensure, self.logits = ensure, keras.layers.Dense(6)

            def call(self, inputs):
                return self.logits(self.ensure(inputs, [None, 5]))

        def unknown(tensor):
            return tf.numpy_function(lambda array: array, [tensor], tensor.dtype)

        images, labels = make_data()
        data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(7)
        data = data.map(lambda image, label: (unknown(image), label))
        student, other = Knowing(), Knowing(lambda inputs, shape: inputs)
        student(images), other(images)
        cohort = compiled_graph(students={"z": student})
        cohort.fit(data, verbose=0)
        known = cohort.evaluate(images, labels, batch_size=7, verbose=0, return_dict=True)
        found = cohort.evaluate(data, verbose=0, return_dict=True)
        self.assertAllClose(found["loss"], known["loss"])
        with self.assertRaisesRegex(
            ValueError, "^views: expected .*; got a .*: call its set_shape"
        ):
            compiled_graph(students={"z": other}).fit(data, verbose=0)

    def test_labels_and_weights_by_student_are_refused(self):
        images, labels = make_data()
        by_student = {"z": labels, "a": labels}
        with self.assertRaisesRegex(ValueError, r"labels: expected one tensor.*keys \['a', 'z'\]"):
            fit(compiled(), images, by_student)
        with self.assertRaisesRegex(
            ValueError, "sample_weight: expected one tensor, which all stu"
        ):
            fit(compiled(), images, labels, sample_weight=by_student)

    @parameterized.parameters(True, False)
    def test_a_batch_too_small_for_its_parts_is_told_in_one_line(self, run_eagerly):
        """Of arrays before the first step, of a data set at the step."""
        images = np.zeros([14, 6, 6, 1], np.float32)
        labels = np.zeros([14], np.int64)

        def made(**kwargs):
            layers = [keras.Input((6, 6, 1)), keras.layers.Conv2D(3, 3)]
            layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(6)]
            student = keras.Sequential(layers)
            return compiled(students={"only": student}, run_eagerly=run_eagerly, **kwargs)

        told = (
            "^labels: expected 4 examples or more in every batch, as on CPUs .* accumulation_steps=4 "
            r"parts \(choose a batch_size that leaves as many for the last batch, or drop it\); got 2$"
        )
        cohort = made(accumulation_steps=4)
        for arguments in ({"batch_size": 6}, {"batch_size": 5, "validation_split": 0.5}):
            with self.assertRaisesRegex(ValueError, told):
                fit(cohort, images, labels, **arguments)
        self.assertEqual(int(cohort.optimizer.iterations), 0)
        batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(6)
        with self.assertRaisesRegex(ValueError, told):
            cohort.fit(batches, verbose=0)
        fit(cohort, images, labels, batch_size=5)
        fit(cohort, images, labels, batch_size=6, steps_per_epoch=2)
        fit(made(), images, labels, batch_size=6)
        # Keras passes over the split where there is validation data.
        others = {"validation_split": 0.5, "validation_data": (images, labels)}
        fit(cohort, images, labels, batch_size=5, **others)
        cohort.fit(images, labels, 5, 1, 0, None, *others.values())
        iterations = int(cohort.optimizer.iterations)
        with self.assertRaisesRegex(ValueError, told):
            fit(cohort, images, labels, batch_size=6, steps_per_epoch=None)
        self.assertEqual(int(cohort.optimizer.iterations), iterations)

    def test_other_errors_stay_as_they_are(self):
        class Failing(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                raise tf.errors.InvalidArgumentError(None, None, "something else")

        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "something else"):
            fit(compiled(), callbacks=[Failing()])


if __name__ == "__main__":
    tf.test.main()
