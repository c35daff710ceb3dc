"""Tests of kdcl_tf.distribution.statistics."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.distribution import statistics, strategies


def _normalized(**settings):
    return keras.Sequential([keras.Input([4, 4, 3]), keras.layers.BatchNormalization(**settings)])


class StatisticsTest(parameterized.TestCase, tf.test.TestCase):
    def test_one_device_normalises_whole_batches(self):
        self.assertEqual(statistics.parts(strategies.create("one"), [_normalized()]), 1)

    def test_replicas_normalise_their_own_parts_unless_they_are_synchronized(self):
        strategy = strategies.create("mirrored")
        self.assertEqual(strategy.num_replicas_in_sync, 2)
        plain = keras.Sequential([keras.Input([4, 4, 3]), keras.layers.Conv2D(4, 3)])
        together = _normalized(synchronized=True)
        self.assertEqual(statistics.parts(strategy, [plain, _normalized()]), 2)
        self.assertEqual(statistics.parts(strategy, [plain, together]), 1)
        self.assertEqual(statistics.parts(strategy, []), 1)

    @parameterized.parameters((False, 2), (True, 1))
    def test_layers_inside_a_student_count(self, synchronized, parts):
        student = students.build("resnet8", 10, (8, 8, 3), synchronized=synchronized)
        inside = keras.Sequential([keras.Input([8, 8, 3]), student])
        self.assertEqual(statistics.parts(strategies.create("mirrored"), [inside]), parts)

    def test_replicas_do_not_compute_what_one_device_does_unless_they_are_synchronized(self):
        """The reason for the remark, on the numbers 0, 2, 10 and 14."""
        strategy = strategies.create("mirrored")
        images = tf.reshape(tf.constant([0.0, 2.0, 10.0, 14.0]), [4, 1, 1, 1])
        # By hand: (x - mean) / deviation of the two halves, and of all four.
        for synchronized, wanted in (
            (False, [-1.0, 1.0, -1.0, 1.0]),
            (True, [-1.1358, -0.7863, 0.6116, 1.3106]),
        ):
            with strategy.scope():
                layer = students.FusedBatchNormalization(epsilon=0.0, synchronized=synchronized)
                layer.build([None, 1, 1, 1])

            @tf.function
            def normalize(parts, layer=layer):
                return strategy.run(lambda part: layer(part, training=True), args=(parts,))

            halves = strategy.experimental_distribute_values_from_function(
                lambda context: images[2 * context.replica_id_in_sync_group :][:2]
            )
            found = tf.concat(strategy.experimental_local_results(normalize(halves)), axis=0)
            self.assertAllClose(tf.reshape(found, [4]), wanted, atol=1e-3)

    def test_what_is_told(self):
        self.assertEmpty(statistics.remark(1))
        (line,) = statistics.remark(2)
        self.assertRegex(line, "each of 2 replicas normalises its own .* --synchronized_batch_norm")
        self.assertEmpty([*statistics.change(None, 2), *statistics.change(2, 2)])
        (line,) = statistics.change(1, 2)
        self.assertIn("normalised as a whole, and goes on in 2 parts:", line)

    def test_what_is_told_of_parts_and_random_numbers(self):
        model = _normalized(synchronized=True)
        dropout = keras.Sequential([keras.Input([4]), keras.layers.Dropout(0.5)])
        self.assertEmpty(statistics.dependences([model], [model], 1))
        # Those are told of by `parts`.
        self.assertEmpty(statistics.dependences([_normalized()], [model], 2))
        once = statistics.dependences([_normalized()], [model], 2, once_synchronized=True)
        (parts,) = statistics.dependences([model], [model], 2)
        self.assertEqual(once, [parts])
        self.assertRegex(parts, r"statistics of 2 parts of a batch \(--accumulation_steps\)")
        inside = keras.Sequential([keras.Input([4]), dropout])
        (drawn,) = statistics.dependences([model], [inside], 1)
        self.assertRegex(drawn, "dropout draw the same random numbers on every replica")
        (line,) = statistics.remark(1, 2, [parts, drawn])
        self.assertEqual(line, f"the numbers are not those of one device: {parts}; {drawn}")
        (line,) = statistics.remark(2, 2, [drawn])
        self.assertTrue(line.endswith(f"makes them so, but for what follows: {drawn}"))
        self.assertEmpty(statistics.remark(1, 1, [parts]))

    def test_a_change_of_replicas_is_told_where_numbers_depend_on_them(self):
        self.assertEmpty([*statistics.change(1, 1, None, 2), *statistics.change(1, 1, 2, 2)])
        (line,) = statistics.change(1, 1, 2, 1)
        self.assertIn("begun with 2 replicas, and goes on with 1 replica, on which", line)
        self.assertLen(statistics.change(1, 2, 1, 2), 1)


if __name__ == "__main__":
    tf.test.main()
