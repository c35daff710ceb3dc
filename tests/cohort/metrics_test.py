"""Tests of kdcl_tf.cohort.metrics: known values on hand-made logits."""

import functools
import inspect
import unittest.mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort import metrics as metrics_lib
from kdcl_tf.cohort.step import Step
from tests.small_cohort import CohortTestCase, compiled, fit, make_data

_OWN = ("accuracy", "top_5_accuracy", "cross_entropy", "distillation_loss")


def _step(logits, weight=0.5, penalties=(0.0, 0.0)):
    """What a cohort's step hands over, with losses that are easy to add up."""
    logits = tf.constant(logits, tf.float32)
    examples = tf.range(tf.cast(logits.shape[1], tf.float32))
    cross_entropy = tf.stack([examples, 10.0 + examples])
    distillation = tf.stack([2.0 * examples, 4.0 * examples])
    return Step(
        logits=logits,
        cross_entropy=cross_entropy,
        distillation_loss=distillation,
        loss=cross_entropy + weight * distillation,
        penalties=[tf.constant(each) for each in penalties],
    )


def _results(metrics):
    return {name: float(each) for name, each in metrics.results(metrics.all).items()}


class Several(keras.metrics.Metric):
    """The sum of all logits, under one name, and twice that."""

    def __init__(self, key="total", **kwargs):
        super().__init__(**kwargs)
        self.key = key
        self.sum = self.add_variable((), "zeros", name="sum")

    def update_state(self, labels, logits, sample_weight=None):
        self.sum.assign_add(tf.reduce_sum(logits))

    def result(self):
        return {self.key: 1.0 * self.sum, "twice": 2.0 * self.sum}

    def get_config(self):
        return {**super().get_config(), "key": self.key}


class NamesTest(CohortTestCase):
    def test_a_metric_is_named_as_it_was_asked_for_as_in_keras(self):
        given = ["mse", "MeanAbsoluteError", keras.metrics.KLDivergence()]
        names = [metric.name for metric in compiled(metrics=given).cohort_metrics.all[-6:]]
        kinds = ("mse", "MeanAbsoluteError", "kl_divergence")
        self.assertEqual(names, [f"{name}_{kind}" for name in "za" for kind in kinds])
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(6)])
        model.compile("sgd", "mse", metrics=given)
        images, labels = make_data()
        found = model.evaluate(images, np.eye(6)[labels], return_dict=True, verbose=0)
        self.assertEqual(set(found), {"loss", *kinds})

    def test_no_metric_is_refused(self):
        with self.assertRaisesRegex(
            ValueError, r"expected a metric in each place of .*; got \[None"
        ):
            compiled(metrics=[None])


class KnownValuesTest(tf.test.TestCase, parameterized.TestCase):
    # The first student ranks the classes 0, 1, ..., 7 for every image, the second 7, ..., 0.
    logits = np.stack([np.tile(-np.arange(8.0), [4, 1]), np.tile(np.arange(8.0), [4, 1])])
    labels = np.array([0, 1, 5, 7])

    def _updated(self, labels, **kwargs):
        metrics = metrics_lib.CohortMetrics(("z", "a"), 8)
        average = tf.one_hot([0, 1, 2, 7], 8)
        metrics.update(_step(self.logits, **kwargs), average, labels, None)
        return metrics

    def test_names(self):
        names = [f"{student}_{kind}" for student in "za" for kind in _OWN]
        metrics = metrics_lib.CohortMetrics(("z", "a"), 8)
        self.assertCountEqual(_results(metrics), ["loss", "ensemble_accuracy", *names])

    @parameterized.parameters("classes", "column", "one-hot", "soft")
    def test_values(self, form):
        one_hot = np.eye(8)[self.labels]
        forms = {
            "classes": self.labels,
            "column": self.labels[:, np.newaxis],
            "one-hot": one_hot,
            "soft": 0.8 * one_hot + 0.2 / 8,
        }
        found = _results(self._updated(forms[form], penalties=(1.0, 2.0)))
        expected = {
            "z_accuracy": 1 / 4,
            "a_accuracy": 1 / 4,
            "z_top_5_accuracy": 2 / 4,
            "a_top_5_accuracy": 2 / 4,
            "z_cross_entropy": 1.5,
            "a_cross_entropy": 11.5,
            "z_distillation_loss": 3.0,
            "a_distillation_loss": 6.0,
            "ensemble_accuracy": 3 / 4,
            "loss": 1.5 + 11.5 + 0.5 * 9.0 + 3.0,
        }
        self.assertAllClose(found, expected)

    @parameterized.parameters(
        # A constant row, NaN, a tie for the first place, and for the fifth; -inf of its class.
        ([0.0] * 8, 0.0, 0.0),
        ([np.nan] * 8, 0.0, 0.0),
        ([5.0, 5.0, 0, 0, 0, 0, 0, 0], 0.0, 1.0),
        ([1.0, 2, 2, 2, 2, 1, 0, 0], 0.0, 0.0),
        ([1.0, 2, 2, 2, 2, 0, 0, 0], 0.0, 1.0),
        ([1.0, np.nan, 0, 0, 0, 0, 0, 0], 0.0, 1.0),
        ([-np.inf] * 7 + [1.0], 0.0, 0.0),
        ([0.0] + [-np.inf] * 7, 1.0, 1.0),
    )
    def test_ties_and_nan_are_no_hits(self, row, top_1, top_5):
        metrics = metrics_lib.CohortMetrics(("z", "a"), 8)
        metrics.add(["accuracy"], ["accuracy"])
        labels = tf.constant([0, 0])
        metrics.update(_step(np.tile(row, [2, 2, 1])), tf.constant([row, row]), labels, None)
        found = _results(metrics)
        for name in ("z_accuracy", "ensemble_accuracy", "z_weighted_accuracy"):
            self.assertEqual(found[name], top_1, name)
        self.assertEqual(found["z_top_5_accuracy"], top_5)

    def test_of_few_classes_only_nan_is_not_among_the_top_5(self):
        metrics = metrics_lib.CohortMetrics(("z", "a"), 3)
        logits = np.stack([np.zeros([2, 3]), np.full([2, 3], np.nan)])
        metrics.update(_step(logits), tf.zeros([2, 3]), tf.constant([0, 2]), None)
        found = _results(metrics)
        self.assertEqual((found["z_top_5_accuracy"], found["a_top_5_accuracy"]), (1.0, 0.0))

    def test_batches_count_by_their_examples(self):
        metrics = self._updated(self.labels)
        one = _step(self.logits[:, :1])
        metrics.update(one, tf.one_hot([3], 8), self.labels[:1], None)
        found = _results(metrics)
        self.assertAllClose(found["z_accuracy"], 2 / 5)
        self.assertAllClose(found["ensemble_accuracy"], 3 / 5)
        self.assertAllClose(found["z_cross_entropy"], 6 / 5)

    def test_an_empty_batch_counts_nothing(self):
        metrics = self._updated(self.labels)
        before = _results(metrics)
        empty = _step(self.logits[:, :0], penalties=(7.0, 7.0))
        metrics.update(empty, tf.zeros([0, 8]), self.labels[:0], None)
        self.assertAllClose(_results(metrics), before)

    @parameterized.parameters(2, 3, 5)
    def test_top_5_of_few_classes_is_everything(self, classes):
        metrics = metrics_lib.CohortMetrics(("z", "a"), classes)
        step = _step(self.logits[:, :2, :classes])
        metrics.update(step, tf.zeros([2, classes]), [1, 1], None)
        self.assertEqual(_results(metrics)["z_top_5_accuracy"], 1.0)


class DirectionTest(CohortTestCase):
    def test_callbacks_know_what_is_better(self):
        nats = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
        functions = ["sparse_categorical_accuracy", "sparse_categorical_crossentropy"]
        cohort = compiled(metrics=[*functions, nats], weighted_metrics=["accuracy"])
        more_is_better = {
            "loss": False,
            "val_loss": False,
            "z_accuracy": True,
            "val_a_top_5_accuracy": True,
            "a_cross_entropy": False,
            "z_distillation_loss": False,
            "val_ensemble_accuracy": True,
            "z_weighted_accuracy": True,
            "a_sparse_categorical_accuracy": True,
            "a_sparse_categorical_crossentropy": False,
            "a_nats": False,
        }
        stopping = {
            monitor: keras.callbacks.EarlyStopping(monitor, patience=9)
            for monitor in more_is_better
        }
        fit(cohort, validation_data=make_data(), epochs=1, callbacks=[*stopping.values()])
        found = {name: bool(each.monitor_op(1.0, 0.0)) for name, each in stopping.items()}
        self.assertEqual(found, more_is_better)


class AddedMetricsTest(tf.test.TestCase, parameterized.TestCase):
    logits = np.log([[[0.7, 0.3], [0.4, 0.6]], [[0.2, 0.8], [0.5, 0.5]]])
    labels = np.array([0, 0])
    sample_weight = tf.constant([3.0, 1.0])

    def _added(self, metrics=None, weighted=None):
        cohort = metrics_lib.CohortMetrics(("z", "a"), 2)
        own = set(_results(cohort))
        cohort.add(metrics, weighted)
        cohort.update(_step(self.logits), tf.zeros([2, 2]), self.labels, self.sample_weight)
        return {name: each for name, each in _results(cohort).items() if name not in own}

    @parameterized.parameters(
        "sparse_categorical_accuracy",
        keras.metrics.SparseCategoricalAccuracy,
        keras.metrics.sparse_categorical_accuracy,
    )
    def test_each_student_gets_its_own(self, metric):
        found = self._added([metric])
        expected = {"z_sparse_categorical_accuracy": 0.5, "a_sparse_categorical_accuracy": 0.5}
        self.assertAllClose(found, expected)

    def test_objects_keep_their_settings_and_name(self):
        metric = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
        expected = {"z_nats": -np.log([0.7, 0.4]).mean(), "a_nats": -np.log([0.2, 0.5]).mean()}
        self.assertAllClose(self._added(metric), expected)

    @parameterized.parameters(
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        keras.metrics.SparseCategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.sparse_categorical_crossentropy,
        functools.partial(keras.losses.sparse_categorical_crossentropy, axis=-1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    def test_what_takes_probabilities_or_logits_gets_logits(self, metric):
        expected = [-np.log([0.7, 0.4]).mean(), -np.log([0.2, 0.5]).mean()]
        # As logits that are no logarithms of probabilities.
        for shift in (0.0, 3.0):
            with unittest.mock.patch.object(type(self), "logits", self.logits + shift):
                self.assertAllClose(list(self._added([metric]).values()), expected)

    def test_weighted_metrics_are_weighted_and_say_so(self):
        found = self._added(["sparse_categorical_accuracy"], ["sparse_categorical_accuracy"])
        self.assertAllClose(found["z_weighted_sparse_categorical_accuracy"], 0.75)
        self.assertAllClose(found["z_sparse_categorical_accuracy"], 0.5)

    @parameterized.parameters("accuracy", "acc", "Accuracy", "ACC")
    def test_accuracy_is_always_there_and_weighted_only_when_asked(self, name):
        self.assertEmpty(self._added([name]))
        # The second student has a tie where the label is class 0: no hit.
        expected = {"z_weighted_accuracy": 0.75, "a_weighted_accuracy": 0.0}
        self.assertAllClose(self._added([name], [name]), expected)

    def test_a_dict_is_by_student(self):
        found = self._added({"a": "sparse_categorical_accuracy"}, {"z": ["accuracy"]})
        expected = {"a_sparse_categorical_accuracy": 0.5, "z_weighted_accuracy": 0.75}
        self.assertAllClose(found, expected)
        with self.assertRaisesRegex(ValueError, "dict by student, of z, a; got 'b'"):
            self._added({"b": "accuracy"})

    def test_a_metric_whose_constructor_takes_little(self):
        class Counting(keras.metrics.Metric):
            def __init__(self):
                super().__init__(name="seen")
                self.total = self.add_weight(initializer="zeros", name="total")

            def update_state(self, labels, logits, sample_weight=None):
                self.total.assign_add(tf.cast(tf.shape(labels)[0], tf.float32))

            def result(self):
                return self.total

        self.assertAllClose(self._added(Counting()), {"z_seen": 2.0, "a_seen": 2.0})

    def test_a_constructor_whose_arguments_no_configuration_has_is_refused(self):
        class TopK(keras.metrics.Mean):
            def __init__(self, k=1, name="top", **kwargs):
                super().__init__(name=name, **kwargs)
                self.k = k

            def update_state(self, labels, logits, sample_weight=None):
                super().update_state(self.k * tf.ones(len(labels)))

        class Whole(TopK):
            def get_config(self):
                return {**super().get_config(), "k": self.k}

        with self.assertRaisesRegex(
            ValueError, r"expected TopK.get_config .*; got no k: return .*_config\(\), \"k\": ...}"
        ):
            self._added(TopK(k=4))
        self.assertAllClose(self._added(TopK), {"z_top": 1.0, "a_top": 1.0})
        self.assertAllClose(self._added(Whole(k=4)), {"z_top": 4.0, "a_top": 4.0})

    def test_no_metric_of_keras_is_refused(self):
        needed = {
            "IoU": {"num_classes": 2, "target_class_ids": [0]},
            "MeanIoU": {"num_classes": 2},
            "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
            "OneHotMeanIoU": {"num_classes": 2},
            "BinaryIoU": {"target_class_ids": [0]},
            "PrecisionAtRecall": {"recall": 0.5},
            "RecallAtPrecision": {"precision": 0.5},
            "SensitivityAtSpecificity": {"specificity": 0.5},
            "SpecificityAtSensitivity": {"sensitivity": 0.5},
            "MeanMetricWrapper": {"fn": keras.losses.mean_squared_error},
        }
        cohort = metrics_lib.CohortMetrics(("z", "a"), 2)
        for name, kind in vars(keras.metrics).items():
            if isinstance(kind, type) and kind is not keras.metrics.Metric:
                arguments = needed.get(name, {})
                if "from_logits" in inspect.signature(kind).parameters:
                    arguments = {"from_logits": True}
                cohort.add([kind(name="x", **arguments)], None)
                self.assertLen(cohort.all, 12)

    def test_what_keras_leaves_out_of_a_configuration_is_kept(self):
        top = keras.metrics.SparseTopKCategoricalAccuracy(k=1, from_sorted_ids=True, name="top")
        cohort = metrics_lib.CohortMetrics(("a",), 2)
        cohort.add(top, None)
        self.assertEqual(cohort.all[-1]._fn_kwargs, {"k": 1, "from_sorted_ids": True})

    def test_functions_with_arguments(self):
        def worth(labels, logits, factor=1.0):
            return factor * tf.ones(len(labels))

        wrapper = keras.metrics.MeanMetricWrapper(worth, name="w", factor=3.0)
        self.assertAllClose(self._added(wrapper), {"z_w": 3.0, "a_w": 3.0})
        partial = functools.partial(worth, factor=2.0)
        self.assertAllClose(self._added([partial]), {"z_worth": 2.0, "a_worth": 2.0})

    def test_losses_are_means_over_examples_and_may_be_weighted(self):
        losses = [keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="nats")]
        found = self._added(losses, losses)
        rows = -np.log([[0.7, 0.4], [0.2, 0.5]])
        for name, row in zip("za", rows):
            self.assertAllClose(found[f"{name}_nats"], row.mean())
            self.assertAllClose(found[f"{name}_weighted_nats"], (3 * row[0] + row[1]) / 4)
        cohort = metrics_lib.CohortMetrics(("z", "a"), 2)
        cohort.add(losses, None)
        self.assertEqual(cohort.all[-1]._direction, "down")

    def test_results_of_several_names_are_each_students_own(self):
        found = self._added([Several()], [Several()])
        self.assertAllClose(found["z_total"], found["z_weighted_total"])
        self.assertAllClose(found["z_twice"], 2 * found["z_total"])
        self.assertAllClose(found["a_twice"], 2 * found["a_total"])
        self.assertNotAllClose(found["a_total"], found["z_total"])
        # Only a student's own: the loss of all stays.
        self.assertIn("z_loss", self._added([Several("loss")]))
        with self.assertRaisesRegex(
            ValueError, "got two called a_accuracy, z_accuracy: .* the key"
        ):
            self._added([Several("accuracy")])

    def test_they_are_in_the_history_of_a_cohort(self):
        history = fit(compiled(metrics=[Several()]))
        self.assertIn("z_twice", history)
        self.assertNotEqual(history["z_total"], history["a_total"])

    def test_a_metric_that_is_listed_twice_is_one(self):
        class Extended(methods.Independent):
            def __init__(self, students):
                super().__init__(students)
                self.extra = keras.metrics.Mean(name="extra")

            @property
            def metrics(self):
                return [*super().metrics, self.extra]

            def train_step(self, data):
                self.extra.update_state(2.0)
                return super().train_step(data)

        self.assertAllClose(fit(compiled(Extended))["extra"], [2.0])

    def test_adding_replaces_what_was_added(self):
        cohort = metrics_lib.CohortMetrics(("z", "a"), 2)
        cohort.add(["sparse_categorical_accuracy"], None)
        cohort.add(None, None)
        self.assertLen(cohort.all, 10)

    def test_two_metrics_of_one_name_are_refused(self):
        with self.assertRaisesRegex(ValueError, "got two called ensemble_accuracy: rename the"):
            metrics_lib.CohortMetrics(("ensemble", "a"), 2)
        with self.assertRaisesRegex(ValueError, "got two called a_top_5_accuracy"):
            metrics_lib.CohortMetrics(("a", "a_top_5"), 2)
        cohort = metrics_lib.CohortMetrics(("z", "a"), 2)
        with self.assertRaisesRegex(ValueError, "got two called a_x, z_x: .* name of its own"):
            cohort.add([keras.metrics.Mean(name="x"), keras.metrics.Sum(name="x")], None)


if __name__ == "__main__":
    tf.test.main()
