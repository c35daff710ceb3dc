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
        with self.assertRaisesRegex(ValueError, "batch_size: got 0, wanted 1"):
            stream.decoded(indices, 0, lambda i: (i,), lambda i: i)

    def test_batch_size(self):
        with self.assertRaisesRegex(ValueError, "batch_size: got 0, wanted 1"):
            stream.batches(np.arange(8), 0, lambda i: i)


if __name__ == "__main__":
    tf.test.main()
