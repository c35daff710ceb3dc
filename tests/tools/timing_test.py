"""Tests of tools/benchmarking/timing.py: whose seconds are whose, and in which order."""

import contextlib
import io

import numpy as np
from absl.testing import absltest
from benchmarking import timing


class InTurnTest(absltest.TestCase):
    def test_functions_run_in_turn_after_one_run_of_each(self):
        seen = []
        runs = [lambda name=name: seen.append(name) for name in "abc"]
        seconds = timing.in_turn(runs, 2)
        self.assertEqual("".join(seen), "abc" * 3)
        self.assertEqual(seconds.shape, (3, 2))

    def test_seconds_that_a_function_gives_are_taken(self):
        seconds = timing.in_pairs(lambda: 2.0, lambda: 0.5, 3)
        np.testing.assert_array_equal(seconds, [[2.0] * 3, [0.5] * 3])


class ShowTest(absltest.TestCase):
    def test_the_ratio_is_the_median_of_the_pairs(self):
        text = timing.ratio(np.array([1.0, 4.0, 9.0]), np.array([1.0, 2.0, 3.0]))
        self.assertEqual(text, "2.000 (quartiles 1.500, 2.500)")

    def test_milliseconds_are_of_a_step(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            timing.show("a over b", np.array([0.6]), np.array([0.2]), steps=2)
        self.assertEndsWith(printed.getvalue(), "300.0 ms / 100.0 ms per step\n")


if __name__ == "__main__":
    absltest.main()
