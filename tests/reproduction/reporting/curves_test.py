"""Tests of kdcl_tf.reproduction.reporting.curves."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import curves
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run


class CurvesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _subject(self, number="7", seeds=1):
        table = TABLES[number]
        scale = scales.scale("digits", table)
        records = Records(self.folder, table, seeds)
        return Subject(records, scale.headings(table), scale, "command")

    def _series(self, picture, column=0, number="7"):
        pictures = {name: groups for name, groups, _ in curves.pictures(self._subject(number))}
        _, series = pictures[picture][column]
        return {each.label: each for each in series}

    def test_curves_are_accuracies_in_percent_with_the_baseline_heavy(self):
        write_run(self.folder, "vanilla", 0, {"a": 0.30, "b": 0.40})
        write_run(self.folder, "naive_icl", 0, {"a": 0.36, "b": 0.44})
        series = self._series("curves.png", column=1)
        self.assertEqual(series["Vanilla"].points, ((2, 20.0), (4, 40.0)))
        self.assertTrue(series["Vanilla"].heavy)
        self.assertEqual(series["KDCL-Naive + ICL"].points, ((2, 22.0), (4, 44.0)))
        self.assertEqual(series["KDCL-Naive"].points, ())
        self.assertNotEqual(series["KDCL-Naive"].dash, series["KDCL-Naive + ICL"].dash)
        self.assertEqual(series["KDCL-Naive"].colour, series["KDCL-Naive + ICL"].colour)

    def test_gaps_are_above_0_where_the_loss_is_below_the_baselines(self):
        write_run(self.folder, "vanilla", 0, {"a": 0.30, "b": 0.40})
        write_run(self.folder, "dml", 0, {"a": 0.36, "b": 0.44}, losses=(1.5, 1.25))
        series = self._series("gaps.png")
        self.assertEqual(series["DML"].points, ((2, 0.5), (4, -0.25)))

    def test_every_line_of_every_table_is_told_apart_without_colours(self):
        for table in TABLES.values():
            if table.sweep is None:
                name = f"curves_{table.number}.png" if table.home else "curves.png"
                series = self._series(name, number=table.number).values()
                looks = {(each.dash, each.marker, each.heavy) for each in series}
                self.assertLen(looks, len(table.rows), table.number)
                named = [each.label for each in series]
                self.assertLen(set(named), len(table.rows), table.number)

    def test_a_teacher_has_no_second_curve(self):
        write_run(self.folder, "vanilla", 0, {"a": 0.30, "b": 0.40})
        write_run(self.folder, "kd_wrn_to_resnet", 0, {"a": 0.36})
        self.assertEqual(self._series("curves.png", column=1)["2 distill 1"].points, ())
        self.assertLen(self._series("curves.png", column=0)["2 distill 1"].points, 2)

    def test_students_trained_alone_are_the_baselines_curve(self):
        write_run(self.folder, "vanilla_resnet50", 0, {"a": 0.50})
        series = self._series("curves.png", number="2")
        self.assertEqual(series["Vanilla"].points, ((2, 25.0), (4, 50.0)))

    def test_only_sweeps_have_a_chart_of_their_setting(self):
        self.assertEmpty(list(curves.sweep(self._subject("7"))))
        heading, _ = curves.sweep(self._subject("5"))
        self.assertEqual(heading.text, "Accuracy against the number of students")


if __name__ == "__main__":
    absltest.main()
