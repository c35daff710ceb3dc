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

    def test_batch_size(self):
        with self.assertRaisesRegex(ValueError, "batch_size: got 0, wanted 1"):
            stream.batches(np.arange(8), 0, lambda i: i)


if __name__ == "__main__":
    tf.test.main()
