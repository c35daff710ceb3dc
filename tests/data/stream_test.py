"""Tests of streaming by index."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import stream


class StreamTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters((10, 4), (8, 4), (3, 100), (0, 2))
    def test_every_index_once_in_order(self, count, batch_size):
        values = stream.on_host(np.arange(count, dtype=np.float32) * 2)
        batches = stream.batches(np.arange(count), batch_size, lambda i: tf.gather(values, i))
        got = [value for batch in batches for value in batch.numpy()]
        self.assertAllEqual(got, np.arange(count) * 2)
        self.assertEqual(batches.cardinality(), -(-count // batch_size))

    def test_batch_dimension_is_open(self):
        batches = stream.batches(np.arange(8), 4, lambda i: i)
        self.assertEqual(batches.element_spec, tf.TensorSpec([None], tf.int64))

    def test_each_worker_keeps_its_share(self):
        options = stream.batches(np.arange(8), 4, lambda i: i).options()
        self.assertEqual(
            options.experimental_distribute.auto_shard_policy,
            tf.data.experimental.AutoShardPolicy.DATA,
        )

    def test_captured_tensors_are_not_in_the_graph(self):
        values = stream.on_host(np.zeros([1_000_000], np.uint8))
        batches = stream.batches(np.arange(8), 4, lambda i: tf.gather(values, i))
        (function,) = batches._input_dataset._input_dataset._functions()
        graph = function.function.graph.as_graph_def()
        self.assertLess(graph.ByteSize(), 10_000)

    @parameterized.parameters((10, 4), (3, 100), (0, 2))
    def test_examples_one_by_one_in_the_order_given(self, count, batch_size):
        indices = np.arange(count)[::-1]
        batches = stream.decoded(
            indices, batch_size, lambda i: (2 * i, tf.zeros([3])), lambda i, zeros: (i + 1, zeros)
        )
        found = [value for numbers, _ in batches for value in numbers.numpy()]
        self.assertAllEqual(found, 2 * indices + 1)
        self.assertEqual(batches.cardinality(), -(-count // batch_size))
        self.assertEqual(batches.element_spec[1], tf.TensorSpec([None, 3]))
        with self.assertRaisesRegex(ValueError, "batch_size: expected 1 or more; got 0"):
            stream.decoded(indices, 0, lambda i: (i,), lambda i: i)

    def test_batch_size(self):
        with self.assertRaisesRegex(ValueError, "batch_size: expected 1 or more; got 0"):
            stream.batches(np.arange(8), 0, lambda i: i)

    def test_captured_order_is_cut_by_position(self):
        self.assertAllEqual(stream.Share().bounds(10, 4), [[0, 4], [4, 8], [8, 10]])
        self.assertAllEqual(stream.Share(2, 0, 1).bounds(17, 17), [[0, 8]])
        self.assertAllEqual(stream.Share(2, 1, 1).bounds(17, 17), [[8, 17]])

    def test_the_positions_of_a_share_are_those_of_its_parts(self):
        self.assertAllEqual(stream.Share(2, 1, 1).positions(10, 4), [2, 3, 6, 7, 9])
        self.assertAllEqual(stream.Share(2, 0, 2).positions(5, 4), range(5))
        self.assertAllEqual(stream.Share(2, 0, 1).positions(0, 4), [])

    @parameterized.parameters((1, 1), (2, 1), (3, 1), (4, 2), (6, 3))
    def test_all_shares_together_are_the_batches_of_one_device(self, replicas, own):
        order = np.random.default_rng(0).permutation(59)
        self._check_shares(
            order, replicas, own, lambda share: stream.batches(order, 13, lambda i: i, share)
        )

    @parameterized.parameters((1, 1), (2, 1), (3, 1), (4, 2), (6, 3))
    def test_so_are_those_of_examples_decoded_one_by_one(self, replicas, own):
        order = np.random.default_rng(1).permutation(59)

        def batches(share):
            return stream.decoded(order, 13, lambda i: (i, i), lambda i, _: i, share)

        self._check_shares(order, replicas, own, batches)

    def test_decoded_parts_may_not_be_empty(self):
        with self.assertRaisesRegex(
            ValueError, "expected an image for each of 2 replicas.*; got batch_size=4 for 5"
        ):
            stream.decoded(np.arange(5), 4, lambda i: (i,), lambda i: i, stream.Share(2, 0, 1))

    def _check_shares(self, order, replicas, own, batches):
        parts = []
        for first in range(0, replicas, own):
            elements = list(batches(stream.Share(replicas, first, own)))
            self.assertLen(elements, 5 * own)
            parts.append(elements)
        for step in range(5):
            batch = [each for one in parts for each in one[step * own : (step + 1) * own]]
            sizes = [len(each) for each in batch]
            self.assertLessEqual(max(sizes) - min(sizes), 1)
            self.assertAllEqual(tf.concat(batch, axis=0), order[step * 13 : (step + 1) * 13])


if __name__ == "__main__":
    tf.test.main()
