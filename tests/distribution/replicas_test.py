"""Tests of kdcl_tf.distribution.replicas, on two logical devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.students.normalization import FusedBatchNormalization
from tests.replicated import two_replicas

_WISHES = tf.TensorSpec([3], tf.int64)
_IMAGES = tf.constant(np.random.default_rng(0).normal(size=[11, 4, 4, 3]), tf.float32)
_LABELS = tf.constant(np.arange(11) % 5)


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


def _small():
    return kdcl_tf.KDCL({"a": _student(4), "b": _student(6)}, ensemble="general")


def _wide():
    """Of synchronised batch norm whose inputs are sums, of which other layers read every part."""
    wide = kdcl_tf.students.build("wrn_10_1", 5, (4, 4, 3), synchronized=True)
    return kdcl_tf.Independent({"wide": wide})


def _cohort(strategy, make=_small):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        cohort = make()
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
        self.strategy = two_replicas.strategy()
        self.cohort = _cohort(self.strategy)
        self.replicas = Replicas(self.strategy, self.cohort)
        self.batches = _batches(self.strategy)

    def _train(self, requests=(0, 0, 0)):
        """Takes one step; returns requests and means."""
        iterator = iter(self.batches)
        take = self.replicas.steps_function(iterator, _WISHES, False)
        means = np.zeros([len(self.cohort.watched)], np.float32)
        taken = take(iterator, 1, np.array(requests), means)
        return taken.requests, taken.means

    def test_requests_are_summed_over_replicas(self):
        requests, totals = self._train([1, 0, 4])
        self.assertAllEqual(requests, [2, 0, 8])
        self.assertLen(totals, 1 + 2 * 2)
        metrics = self.replicas.metrics()
        self.assertAllClose(totals[0], metrics["loss"])
        self.assertAllClose(totals[1], metrics["a_cross_entropy"])

    def test_the_fewest_images_of_any_replica(self):
        """Of which several workers make sure before each step that some images may be missing in."""
        images = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([5, 3][context.replica_id_in_sync_group])
        )
        self.assertEqual(int(tf.function(self.replicas._fewest)(images)), 3)

    def test_a_function_is_made_once(self):
        first, other = (
            self.replicas.steps_function(iter(self.batches), _WISHES, False) for _ in range(2)
        )
        self.assertIs(first, other)

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
            return {
                "examples": tf.cast(tf.size(batch[1]), tf.float32),
                "pixels": tf.reduce_sum(batch[0]),
            }

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
        self._train()
        moving = self.cohort.students["a"].layers[0].moving_mean
        before = self._copies(moving)
        self.assertNotAllClose(before[0], before[1])
        self.replicas.align()
        for copy in self._copies(moving):
            self.assertAllClose(copy, (before[0] + before[1]) / 2, atol=1e-6)
        for variable in self.cohort.trainable_variables:
            first, second = self._copies(variable)
            self.assertAllEqual(first, second)

    @pytest.mark.slow
    def test_what_is_frozen_does_not_move_and_the_rest_does(self):
        self._train()
        self.replicas.align()
        norm, flatten, first, head = self.cohort.students["a"].layers
        for layer in (norm, first):
            layer.trainable = False
        self.replicas.renew([*norm.variables, *first.variables])
        before = {each.path: self._copies(each) for each in self.cohort.variables}
        self._train()
        self.replicas.align()
        for each in (*norm.variables, *first.variables):
            self.assertAllEqual(self._copies(each), before[each.path])
        others = self.cohort.students["b"].layers[0]
        for each in (head.kernel, others.gamma, others.moving_mean):
            self.assertNotAllClose(self._copies(each)[0], before[each.path][0], atol=1e-7)

    def _copies(self, variable):
        return [each.numpy() for each in self.strategy.experimental_local_results(variable.value)]


def _stream(strategy, batches):
    """Batches of 11 images each, as the function of steps takes them."""

    def of_process(share):
        # One element for each replica.
        parts = [
            (images[begin:end], labels[begin:end])
            for images, labels in batches
            for begin, end in np.asarray(share.bounds(11, 11))
        ]
        spec = (tf.TensorSpec([None, 4, 4, 3]), tf.TensorSpec([None], _LABELS.dtype))
        return tf.data.Dataset.from_generator(lambda: iter(parts), output_signature=spec)

    return strategies.distribute(strategy, of_process)


class StepsTest(tf.test.TestCase, parameterized.TestCase):
    """Several steps in one graph."""

    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(1)
        images = rng.normal(size=[7, 11, 4, 4, 3]).astype(np.float32)
        self.batches = [(each, _LABELS.numpy()) for each in images]

    def _run(self, strategy, sizes, batches=None, left=None, least=1, make=_small):
        """Takes as many steps at once as `sizes` says, one call after the other."""
        cohort = _cohort(strategy, make)
        replicas = Replicas(strategy, cohort)
        iterator = iter(_stream(strategy, batches or self.batches))
        take = replicas.steps_function(iterator, _WISHES, max(sizes) > 1, left, least)
        means = np.zeros([len(cohort.watched)], np.float32)
        found = []
        for size in sizes:
            taken = take(iterator, size, np.zeros([3], np.int64), means)
            means = taken.means
            found.append(taken)
        return cohort, found

    @parameterized.parameters((False, _small), (True, _small), (True, _wide))
    @pytest.mark.slow
    def test_they_are_the_same_bits_however_many_are_taken_at_once(self, is_mirrored, make):
        strategy = two_replicas.strategy() if is_mirrored else tf.distribute.get_strategy()
        one, steps = self._run(strategy, [1] * 7, make=make)
        several, loops = self._run(strategy, [3, 3, 1], make=make)
        for own, other in zip(several.variables, one.variables, strict=True):
            pairs = zip(*(strategy.experimental_local_results(each.value) for each in (own, other)))
            for found, wanted in pairs:
                self.assertAllEqual(found, wanted)
        self.assertAllEqual(one.optimizer.iterations, 7)
        self.assertAllEqual(loops[-1].means, steps[-1].means)
        self.assertEqual([int(each.trained) for each in loops], [3, 3, 1])
        self.assertEqual([int(each.faulty) for each in loops], [-1] * 3)

    def test_the_first_step_that_is_not_finite_is_told_with_its_means(self):
        strategy = two_replicas.strategy()
        self.batches[3][0][0] = np.nan
        _, steps = self._run(strategy, [1] * 4)
        _, (first, second) = self._run(strategy, [2, 4])
        self.assertEqual((int(first.faulty), int(second.faulty)), (-1, 1))
        self.assertAllEqual(second.means, steps[-1].means)
        self.assertFalse(np.isfinite(second.means[0]))

    def test_batches_without_images_are_no_steps_and_a_few_images_are_told(self):
        strategy = tf.distribute.get_strategy()
        whole = self.batches[:2]
        empty, few = ((images[:count], labels[:count]) for count, (images, labels) in
                      zip((0, 2), self.batches))  # fmt: skip

        def left(batch):
            return tf.shape(batch[1])[0]

        one, _ = self._run(strategy, [1, 1], whole)
        for sizes in ([1] * 4, [2, 2], [4]):
            batches = [empty, whole[0], empty, whole[1]]
            found, taken = self._run(strategy, sizes, batches, left)
            self.assertEqual(sum(int(each.trained) for each in taken), 2)
            self.assertEqual({int(each.few) for each in taken}, {-1})
            for own, other in zip(found.variables, one.variables, strict=True):
                self.assertAllEqual(own, other)
        _, (taken,) = self._run(strategy, [3], [whole[0], few, empty], left, least=3)
        self.assertEqual((int(taken.few), int(taken.trained)), (2, 1))


if __name__ == "__main__":
    tf.test.main()
