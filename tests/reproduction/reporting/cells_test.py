"""Tests of kdcl_tf.reproduction.reporting.cells."""

from absl.testing import absltest
from scipy import stats

from kdcl_tf.reproduction.reporting import cells
from kdcl_tf.reproduction.tables.table import Row


class CellsTest(absltest.TestCase):
    def test_numbers(self):
        self.assertEqual(cells.number(1.005, 1), "1.0")
        self.assertEqual(cells.percent(0.12345), "12.35")
        self.assertEqual(cells.signed(-0.2), "\N{MINUS SIGN}0.20")
        self.assertEqual(cells.signed(0.2, 1), "+0.2")
        # A tie is one, whatever a sum of binary fractions makes of it.
        self.assertEqual(cells.signed((36.22 - 34.34) + (38.24 - 38.37), 1), "+1.8")
        self.assertEqual([cells.signed(each) for each in (-1e-9, -0.0, 0.0)], ["+0.00"] * 3)
        self.assertEqual([cells.printed(each) for each in (71.3, 71.61)], ["71.3", "71.61"])

    def test_there_is_a_dash_for_nothing(self):
        empty = (cells.number(None, 2), cells.percent(None), cells.signed(None), cells.span(None))
        self.assertEqual(set(empty), {cells.NOTHING})
        self.assertEqual(cells.interval([1.0, 2.0]), cells.NOTHING)

    def test_ends(self):
        self.assertEqual(cells.span((1.0, 2.0)), "1.00\N{EN DASH}2.00")
        values = [1.0, 2.0, 6.0, 2.5]
        low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        self.assertEqual(cells.interval(values), f"{cells.signed(low)} to {cells.signed(high)}")

    def test_a_row_with_icl_is_ticked(self):
        rows = (Row("a", "A", ()), Row("b", "B", (), invariant=True))
        self.assertEqual([cells.tick(row) for row in rows], ["", "\N{CHECK MARK}"])


if __name__ == "__main__":
    absltest.main()
