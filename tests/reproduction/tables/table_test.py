"""Tests of kdcl_tf.reproduction.tables.table."""

from absl.testing import absltest

from kdcl_tf.reproduction.tables.table import Row, Table

_ALONE = Row("alone", "Alone", (1.0,), reports=(0,))
_SHOWN = Row("shown", "Shown", (1.0, 2.0), reports=(("alone", 0), None))
_TAUGHT = Row("taught", "Taught", (1.0, 3.0), reports=(("alone", 0), 0), teacher=("alone", 0))
_OWN = Row("own", "Own", (1.0, 3.0), baseline="taught")


def _table(**more):
    rows = (_SHOWN, _TAUGHT, _OWN)
    return Table("1", "title", ("A", "B"), rows, "shown", "folder", alone=(_ALONE,), **more)


class TableTest(absltest.TestCase):
    def test_rows_that_only_report_others_are_not_run(self):
        self.assertEqual([row.is_run for row in (_ALONE, _SHOWN, _TAUGHT, _OWN)],
                         [True, False, True, True])  # fmt: skip
        self.assertEqual(_table().runs, (_ALONE, _TAUGHT, _OWN))
        self.assertEqual(_table().run("alone"), _ALONE)
        self.assertEqual(_table().row("shown"), _SHOWN)

    def test_a_row_may_have_a_baseline_of_its_own(self):
        self.assertEqual(_table().baseline_of(_TAUGHT), _SHOWN)
        self.assertEqual(_table().baseline_of(_OWN), _TAUGHT)

    def test_gains_add_up_over_students_and_not_over_measures(self):
        self.assertTrue(_table().adds_up)
        self.assertEqual(_table().measure(1), "accuracy")
        other = _table(measures=("accuracy", "top_5_accuracy"))
        self.assertFalse(other.adds_up)
        self.assertEqual(other.measure(1), "top_5_accuracy")


if __name__ == "__main__":
    absltest.main()
