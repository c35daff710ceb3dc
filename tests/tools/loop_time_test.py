"""Tests of tools/benchmarking/loop_time.py: the loop that is timed is a real one."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from benchmarking import loop_time

from kdcl_tf.training.loop import Loop


class LoopTimeTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(1, 4)
    @pytest.mark.slow
    def test_both_take_all_steps_of_every_epoch(self, steps_per_loop):
        made = []

        class Seen(Loop):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                made.append(self)

        with mock.patch.object(loop_time, "Loop", Seen):
            seconds = loop_time.measure(steps_per_loop, epochs=2, steps=6)
        self.assertEqual(seconds.shape, (2, 2))
        self.assertTrue(np.all(seconds > 0))
        (loop,) = made
        self.assertEqual([record["step"] for record in loop.log], [6, 12, 18])
        self.assertEqual(int(loop._task.model.optimizer.iterations), 18)
        self.assertIn("test_resnet8_accuracy", loop.log[-1])

    def test_steps_in_one_graph_are_as_many(self):
        settings = loop_time.Settings(students=("resnet8",), ensemble="naive", holdout_per_class=0)
        task = loop_time._TinyTask(settings, steps=5)
        task.build(tf.distribute.get_strategy())
        self.assertGreater(task.seconds_in_graph(), 0)
        self.assertEqual(int(task.model.optimizer.iterations), 5)


if __name__ == "__main__":
    tf.test.main()
