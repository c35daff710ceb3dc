"""Tests of tools/benchmarking/partitions.py: tensors that cross are seen, with their sizes."""

import tensorflow as tf
from benchmarking import partitions
from benchmarking.partitions import Transfer


class TransfersTest(tf.test.TestCase):
    def test_what_crosses_is_listed_with_its_bytes(self):
        def step(numbers):
            with tf.device("CPU:0"):
                doubled = tf.multiply(numbers, 2.0, name="doubled")
            with tf.device("CPU:1"):
                squared = tf.matmul(doubled, doubled, name="squared")
            with tf.device("CPU:0"):
                return tf.reduce_sum(squared)

        self.assertCountEqual(
            partitions.transfers(step, tf.ones([3, 3])),
            [
                Transfer("doubled:0", "CPU:0", "CPU:1", 3 * 3 * 4),
                Transfer("squared:0", "CPU:1", "CPU:0", 3 * 3 * 4),
            ],
        )

    def test_arguments_are_told_apart(self):
        def step(numbers):
            with tf.device("CPU:1"):
                return tf.matmul(numbers, numbers)

        with tf.device("CPU:0"):
            numbers = tf.ones([4, 4])
        inputs = [each for each in partitions.transfers(step, numbers) if each.is_input]
        self.assertEqual([(each.target, each.size) for each in inputs], [("CPU:1", 64)])

    def test_what_stays_is_not(self):
        self.assertEmpty(partitions.transfers(tf.square, tf.ones([3])))

    def test_a_shape_that_the_graph_does_not_tell(self):
        def step(numbers):
            with tf.device("CPU:0"):
                positive = tf.boolean_mask(numbers, numbers > 0)
            with tf.device("CPU:1"):
                return tf.reduce_sum(tf.sqrt(positive))

        sizes = [each.size for each in partitions.transfers(step, tf.ones([3]))]
        self.assertIn(None, sizes)


if __name__ == "__main__":
    tf.test.main()
