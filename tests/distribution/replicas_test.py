"""Tests of kdcl_tf.distribution.replicas, on two logical devices."""

import functools

import keras
import numpy as np
import tensorflow as tf

import kdcl_tf
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.students.normalization import FusedBatchNormalization

_WISHES = tf.TensorSpec([3], tf.int64)
_IMAGES = tf.constant(np.random.default_rng(0).normal(size=[11, 4, 4, 3]), tf.float32)
_LABELS = tf.constant(np.arange(11) % 5)


@functools.cache
def _mirrored():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _student(units):
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            FusedBatchNormalization(momentum=0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(5),
        ]
    )


def _cohort(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        cohort = kdcl_tf.KDCL({"a": _student(4), "b": _student(6)}, ensemble="general")
        cohort.compile(keras.optimizers.SGD(0.1))
    return cohort


def _batches(strategy):
    def of_process(share):
        parts = share.bounds(11, 11)
        data = tf.data.Dataset.from_tensor_slices(parts)
        return data.map(lambda part: (_IMAGES[part[0] : part[1]], _LABELS[part[0] : part[1]]))

    return strategies.distribute(strategy, of_process)


class ReplicasTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.strategy = _mirrored()
        self.cohort = _cohort(self.strategy)
        self.replicas = Replicas(self.strategy, self.cohort)
        self.batches = _batches(self.strategy)

    def test_requests_are_summed_over_replicas(self):
        train = self.replicas.train_function(self.batches.element_spec, _WISHES)
        (batch,) = self.batches
        totals, requests = train(batch, np.array([1, 0, 4]))
        self.assertAllEqual(requests, [2.0, 0.0, 8.0])
        self.assertLen(totals, 1 + 2 * 2)
        metrics = self.replicas.metrics()
        self.assertAllClose(totals[0], metrics["loss"])
        self.assertAllClose(totals[1], metrics["a_cross_entropy"])

    def test_a_function_is_made_once(self):
        spec = self.batches.element_spec
        first = self.replicas.train_function(spec, _WISHES)
        self.assertIs(first, self.replicas.train_function(spec, _WISHES))

    def test_every_example_is_tested_once(self):
        one = tf.distribute.get_strategy()
        alone = Replicas(one, _cohort(one))
        for replicas, strategy in ((self.replicas, self.strategy), (alone, one)):
            batches = _batches(strategy)
            test = replicas.test_function(batches.element_spec)
            for batch in batches:
                test(batch)
        found, wanted = self.replicas.metrics(), alone.metrics()
        self.assertEqual(list(found), list(wanted))
        self.assertAllClose(list(found.values()), list(wanted.values()), atol=1e-5)

    def test_sums_are_those_of_all_replicas(self):
        def sums(batch):
            return {"examples": tf.cast(tf.size(batch[1]), tf.float32), "pixels": tf.reduce_sum(batch[0])}

        (batch,) = self.batches
        found = self.replicas.sum_function(sums, self.batches.element_spec)(batch)
        self.assertEqual(int(found["examples"]), 11)
        self.assertAllClose(found["pixels"], np.sum(_IMAGES), atol=1e-4)

    def test_errors_are_those_of_one_device(self):
        spec = self.batches.element_spec
        measure = self.replicas.sum_function(self.cohort.error_sums, spec)
        self.assertIs(measure, self.replicas.sum_function(self.cohort.error_sums, spec))
        (batch,) = self.batches
        matrix, examples = measure(batch)
        wanted, count = _cohort(tf.distribute.get_strategy()).error_sums((_IMAGES, _LABELS))
        self.assertEqual((float(examples), float(count)), (11.0, 11.0))
        self.assertAllClose(matrix, wanted, atol=1e-5)

    def test_aligned_statistics_are_the_mean_of_the_replicas(self):
        train = self.replicas.train_function(self.batches.element_spec, _WISHES)
        (batch,) = self.batches
        train(batch, np.zeros([3], np.int64))
        moving = self.cohort.students["a"].layers[0].moving_mean
        before = self._copies(moving)
        self.assertNotAllClose(before[0], before[1])
        self.replicas.align()
        for copy in self._copies(moving):
            self.assertAllClose(copy, (before[0] + before[1]) / 2, atol=1e-6)
        for variable in self.cohort.trainable_variables:
            first, second = self._copies(variable)
            self.assertAllEqual(first, second)

    def test_what_is_frozen_does_not_move_and_the_rest_does(self):
        train = self.replicas.train_function(self.batches.element_spec, _WISHES)
        (batch,) = self.batches
        train(batch, np.zeros([3], np.int64))
        self.replicas.align()
        norm, flatten, first, head = self.cohort.students["a"].layers
        for layer in (norm, first):
            layer.trainable = False
        self.replicas.renew([*norm.variables, *first.variables])
        again = self.replicas.train_function(self.batches.element_spec, _WISHES)
        self.assertIsNot(again, train)
        before = {each.path: self._copies(each) for each in self.cohort.variables}
        again(batch, np.zeros([3], np.int64))
        self.replicas.align()
        for each in (*norm.variables, *first.variables):
            self.assertAllEqual(self._copies(each), before[each.path])
        others = self.cohort.students["b"].layers[0]
        for each in (head.kernel, others.gamma, others.moving_mean):
            self.assertNotAllClose(self._copies(each)[0], before[each.path][0], atol=1e-7)

    def _copies(self, variable):
        return [each.numpy() for each in self.strategy.experimental_local_results(variable.value)]


if __name__ == "__main__":
    tf.test.main()
