"""Tests of kdcl_tf.distribution.pace."""

from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.pace import Pace
from kdcl_tf.distribution.workers import Workers


class PaceTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.workers = Workers(tf.distribute.get_strategy())

    def test_a_number_that_was_given_stays(self):
        pace = Pace(50, self.workers)
        for _ in range(3):
            pace.look(0.5, 50)
        self.assertEqual(pace.steps, 50)

    def test_on_cpus_it_is_one(self):
        pace = Pace(0, self.workers)
        for _ in range(3):
            pace.look(0.001, 1)
        self.assertEqual(pace.steps, 1)

    @parameterized.parameters((0.02, 50), (3.0, 1), (0.0, 10_000))
    def test_elsewhere_it_is_a_seconds_worth_of_the_second_step(self, seconds, steps):
        with mock.patch.object(strategies, "has_accelerators", return_value=True):
            pace = Pace(0, self.workers)
        pace.look(60.0, 1)
        self.assertEqual(pace.steps, 1)
        pace.look(seconds, 1)
        self.assertEqual(pace.steps, steps)
        pace.look(9.0, steps)
        self.assertEqual(pace.steps, steps)

    def test_all_workers_take_as_many_as_the_first(self):
        workers = mock.create_autospec(Workers, instance=True)
        workers.from_chief.return_value = b"[7, false]"
        self.assertEqual(Pace(3, workers).steps, 7)
        workers.from_chief.assert_called_once_with(b"[3, false]")

    def test_only_an_epoch_that_makes_the_graph_takes_less_the_next_time(self):
        pace = Pace(1, self.workers)
        pace.begin_epoch()
        pace.look(30.0, 1)
        pace.begin_epoch()
        pace.look(2.0, 1)
        self.assertEqual(pace.usual_time(20.0, 10), 20.0)
        pace.begin_epoch(makes=True)
        pace.look(11.0, 1)
        pace.look(2.0, 1)
        self.assertEqual(pace.usual_time(29.0, 10), 20.0)

    def test_an_epoch_is_told_without_the_making_of_the_graph(self):
        pace = Pace(2, self.workers)
        self.assertEqual(pace.usual_time(30.0, 10), 30.0)
        pace.look(14.0, 2)
        self.assertEqual(pace.usual_time(30.0, 10), 20.0)
        self.assertEqual(pace.usual_time(14.0, 2), 14.0)


if __name__ == "__main__":
    tf.test.main()
