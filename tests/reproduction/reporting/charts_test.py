"""Tests of kdcl_tf.reproduction.reporting.charts."""

import re
import xml.etree.ElementTree

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.reporting.charts import Series, line_chart, number, telling_apart, ticks


def _points(chart, index=0):
    drawn = re.findall(r'<polyline class="line[^>]*points="([^"]*)"', chart)
    return [tuple(map(float, pair.split(","))) for pair in drawn[index].split()]


class ChartsTest(parameterized.TestCase):
    @parameterized.parameters(
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (7.3, 34.2, [0, 10, 20, 30, 40]),
        (-0.13, 0.31, [-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4]),
        (5.0, 5.0, [5, 6, 7, 8, 9, 10]),
        (0.0, 0.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    )
    def test_ticks_are_round_and_reach_around_the_values(self, low, high, wanted):
        self.assertSequenceAlmostEqual(ticks(low, high), wanted)

    def test_numbers_have_no_digits_that_say_nothing(self):
        self.assertEqual([number(each) for each in (0.5, 40.0, -0.05)], ["0.5", "40", "−0.05"])

    def test_a_line_is_where_its_numbers_are(self):
        chart = line_chart([Series("one", ((0, 0.0), (5, 5.0), (10, 10.0)))], "t", "x", "y")
        (x0, y0), (x1, y1), (x2, y2) = _points(chart)
        self.assertAlmostEqual(x1, (x0 + x2) / 2, delta=0.1)
        self.assertAlmostEqual(y1, (y0 + y2) / 2, delta=0.1)
        self.assertLess(x0, x2)
        self.assertGreater(y0, y2)

    def test_a_logarithmic_axis_spaces_factors_evenly(self):
        series = [Series("one", ((0.1, 1.0), (1.0, 2.0), (10.0, 3.0)))]
        xs = [x for x, _ in _points(line_chart(series, "t", "x", "y", log_x=True))]
        self.assertAlmostEqual(xs[1] - xs[0], xs[2] - xs[1], delta=0.2)

    def test_it_is_well_formed_and_escaped(self):
        series = [Series("<b> & c", ((1, 2.0), (2, 3.0)), dash=1), Series("none", ())]
        chart = line_chart(series, 'a "title" <i>', "x & y", "y")
        tree = xml.etree.ElementTree.fromstring(f"<div>{chart}</div>")
        self.assertIn("<b> & c", "".join(tree.itertext()))
        self.assertIn("stroke-dasharray:6 4", chart)
        self.assertNotIn(">none", chart)

    def test_the_legend_shows_every_line_as_it_is_drawn(self):
        looks = [telling_apart(number) for number in range(20)]
        self.assertLen(set(looks), 20)
        series = [
            Series(f"line {number}", ((0, number), (9, number)), number % 9, *look)
            for number, look in enumerate(looks)
        ]
        chart = line_chart(series, "t", "x", "y")
        tree = xml.etree.ElementTree.fromstring(f"<div>{chart}</div>")
        keys = {"".join(item.itertext()): item for item in tree.iter("li")}
        self.assertEqual(list(keys), [each.label for each in series])
        lines = [each for each in tree.find("svg") if each.tag == "polyline"]
        for line, item in zip(lines, keys.values(), strict=True):
            (key,) = item.iter("polyline")
            self.assertEqual(key.get("style"), line.get("style"))
        shapes = [[each.tag for each in item.find("svg")][1:] for item in keys.values()]
        self.assertEqual(shapes, [[]] * 5 + [["circle"]] * 5 + [["polygon"]] * 10)

    def test_more_lines_than_can_be_told_apart_are_refused(self):
        with self.assertRaisesRegex(ValueError, "expected a line's number below 20; got 20"):
            telling_apart(20)

    def test_a_long_line_has_a_few_marks(self):
        line = Series("one", tuple((x, 0.0) for x in range(60)), marker="s")
        self.assertLen(line.marks, 9)
        self.assertEqual(Series("one", line.points).marks, ())

    def test_one_point_and_no_point_at_all(self):
        self.assertIn("<circle", line_chart([Series("one", ((3, 1.0),))], "t", "x", "y"))
        self.assertIn("Nothing to draw", line_chart([Series("one", ())], "t", "x", "y"))


if __name__ == "__main__":
    absltest.main()
