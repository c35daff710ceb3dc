"""Tests of kdcl_tf.reproduction.reporting.statistics, by hand."""

from absl.testing import absltest
from scipy import stats

from kdcl_tf.reproduction.reporting import statistics


class StatisticsTest(absltest.TestCase):
    def test_median_and_spread(self):
        self.assertEqual(statistics.median([3.0, 1.0, 2.0]), 2.0)
        self.assertEqual(statistics.median([4.0, 1.0, 2.0, 3.0]), 2.5)
        self.assertIsNone(statistics.median([]))
        self.assertEqual(statistics.spread([3.0, 1.0, 2.0]), (1.0, 3.0))
        self.assertIsNone(statistics.spread([3.0]))

    def test_the_mean_is_in_its_interval_by_students_t(self):
        self.assertEqual(statistics.mean([1.0, 2.0, 6.0]), 3.0)
        self.assertIsNone(statistics.mean([]))
        # The deviation is the root of (4 + 1 + 9) / 2; t of two degrees of freedom is 4.3027.
        self.assertAlmostEqual(statistics.deviation([1.0, 2.0, 6.0]), 7**0.5)
        low, high = statistics.interval([1.0, 2.0, 6.0])
        self.assertAlmostEqual(high, 3.0 + 4.302653 * (7 / 3) ** 0.5, places=5)
        self.assertAlmostEqual(low + high, 6.0)
        self.assertEqual(statistics.interval([2.0] * 4), (2.0, 2.0))
        self.assertIsNone(statistics.interval([1.0, 2.0]))
        self.assertIsNone(statistics.deviation([1.0]))

    def test_gains_are_paired_by_seed(self):
        # The medians differ by 1, but the seeds that both have differ by 5 and by -1.
        values, baseline = {0: 75.0, 1: 71.0, 3: 73.0}, {0: 70.0, 1: 72.0, 2: 74.0}
        self.assertEqual(statistics.paired(values, baseline), {0: 5.0, 1: -1.0})
        self.assertEqual(statistics.paired(values, {}), {})

    def test_the_interval_of_paired_gains_is_that_of_scipys_paired_t_test(self):
        baseline = {0: 33.25, 1: 31.9, 2: 34.4, 3: 32.05}
        values = {0: 36.94, 1: 36.2, 2: 36.1, 3: 35.0}
        for seeds in (3, 4):
            pair = [[each[seed] for seed in range(seeds)] for each in (values, baseline)]
            wanted = stats.ttest_rel(*pair).confidence_interval(0.95)
            few = {seed: values[seed] for seed in range(seeds)}
            found = statistics.interval(statistics.paired(few, baseline).values())
            self.assertAlmostEqual(found[0], wanted.low, places=9)
            self.assertAlmostEqual(found[1], wanted.high, places=9)

    def test_sums_are_over_seeds_that_every_part_has(self):
        self.assertEqual(statistics.summed([{0: 1.0, 1: 2.0}, {1: 3.0, 2: 9.0}]), {1: 5.0})
        self.assertEqual(statistics.summed([]), {})

    def test_a_curve_of_medians(self):
        curves = [[(5, 1.0), (10, 4.0)], [(5, 3.0)], [(5, 8.0), (10, 6.0)]]
        self.assertEqual(statistics.median_curve(curves), [(5, 3.0), (10, 5.0)])
        self.assertEqual(statistics.median_curve([]), [])


if __name__ == "__main__":
    absltest.main()
