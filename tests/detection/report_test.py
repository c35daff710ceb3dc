"""Tests of kdcl_tf.detection.report."""

import pathlib

from absl.testing import absltest

from kdcl_tf.detection import report


class FiguresTest(absltest.TestCase):
    def test_a_line_of_each_kind_and_one_by_class(self):
        result = {"test_box_ap": 0.5, "test_box_ap50": 0.75, "test_box_ap75": None, "loss": 1.0}
        result |= {"test_box_ar100": 0.6, "test_box_ap/person": 0.25, "test_box_ap/car": None}
        lines = report.figures(result, "test_")
        self.assertEqual(lines[0], "box: AP 50.0%, AP50 75.0%, AP75 none, AR100 60.0%")
        self.assertEqual(lines[1:], ["box AP by class: person 25.0%, car none"])
        self.assertEmpty(report.figures({"box_ap": 1.0}, "test_"))

    def test_masks_have_lines_of_their_own(self):
        lines = report.figures({"box_ap": 0.5, "mask_ap": 0.25, "mask_ap/car": 0.25})
        self.assertLen(lines, 3)
        self.assertStartsWith(lines[1], "mask: AP 25.0%")
        self.assertEqual(lines[2], "mask AP by class: car 25.0%")

    def test_of_many_classes_the_best_and_the_worst(self):
        result = (
            {"box_ap": 0.5} | {f"box_ap/c{n}": n / 100 for n in range(40)} | {"box_ap/no": None}
        )
        line = report.figures(result)[1]
        self.assertStartsWith(
            line, "box AP by class, the best and the worst 10 of 40: c39 39.0%, c38"
        )
        self.assertEndsWith(line, "c30 30.0%, c9 9.0%, c8 8.0%, c7 7.0%, c6 6.0%, c5 5.0%, c4 4.0%, "
                            "c3 3.0%, c2 2.0%, c1 1.0%, c0 0.0%")  # fmt: skip


class OfRunTest(absltest.TestCase):
    def test_a_line_of_boxes_one_of_masks_and_where_everything_is(self):
        result = {"test_box_ap": 0.5, "test_box_ap50": 0.75, "test_box_ap75": None}
        result |= {"test_box_ar100": 0.6, "parameters": 1234, "detector": "detector"}
        lines = report.of_run(result, pathlib.Path("runs/one")).splitlines()
        self.assertEqual(lines[0], "box: AP 50.0%, AP50 75.0%, AP75 none, AR100 60.0%")
        self.assertEqual(lines[1], "1,234 parameters, runs/one/detector")
        self.assertEqual(lines[2], "plot: runs/one/curves.png; numbers: runs/one/result.json")


if __name__ == "__main__":
    absltest.main()
