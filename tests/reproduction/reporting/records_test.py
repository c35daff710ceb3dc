"""Tests of kdcl_tf.reproduction.reporting.records."""

import json
import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run

_TABLE = TABLES["7"]


class RecordsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        write_run(self.folder, "vanilla", 0, {"a": 0.30, "b": 0.40})
        write_run(self.folder, "vanilla", 1, {"a": 0.32, "b": 0.41})
        write_run(self.folder, "naive", 0, {"a": 0.35, "b": 0.39}, losses=(1.5, 0.75))
        write_run(self.folder, "naive", 1, {"a": 0.30, "b": 0.44}, complete=False)
        write_run(self.folder, "kd_wrn_to_resnet", 1, {"a": 0.36})
        write_run(self.folder, "general", 0, {"a": 0.35, "b": 0.45}, general=True)

    def _records(self, seeds=2):
        return Records(self.folder, _TABLE, seeds)

    def test_complete_runs_are_counted(self):
        records = self._records()
        self.assertEqual((len(records.results), records.planned), (5, 28))
        self.assertLen(self._records(seeds=1).results, 3)
        self.assertEqual(list(records.of_row(_TABLE.row("naive"))), [0])

    def test_missing_runs_are_named_and_rows_may_need_fewer_seeds(self):
        missing = self._records().missing
        self.assertIn("KDCL-Naive (seed 1), KDCL-Naive + ICL (seeds 0, 1)", missing)
        self.assertNotIn("Vanilla", missing)
        wanted = {row.name: 0 for row in _TABLE.runs} | {"vanilla": 2, "dml": 1}
        records = Records(self.folder, _TABLE, 2, wanted)
        self.assertEqual((records.planned, records.missing), (3, "DML (seed 0)"))

    def test_a_speed_is_that_of_the_median_epoch(self):
        self.assertEqual(self._records().speeds(_TABLE.row("vanilla")), {0: 400.0, 1: 400.0})

    def test_results_with_a_key(self):
        write_run(self.folder, "dml", 1, {"a": 0.36, "b": 0.40}, peak_memory_gib=2.0)
        records = self._records()
        self.assertEqual(list(records.results_with(_TABLE.row("dml"), "peak_memory_gib")), [1])
        self.assertEmpty(records.results_with(_TABLE.row("vanilla"), "peak_memory_gib"))

    def test_accuracies_and_gains_are_of_the_column_and_the_seed(self):
        records, naive = self._records(), _TABLE.row("naive")
        self.assertEqual(records.accuracies(naive, 0), {0: 35.0})
        self.assertAlmostEqual(records.gains(naive, 0)[0], 5.0)
        self.assertAlmostEqual(records.gains(naive, 1)[0], -1.0)
        self.assertAlmostEqual(records.total_gains(naive)[0], 4.0)
        self.assertEqual(records.accuracies(_TABLE.row("dml"), 0), {})

    def test_a_teacher_fills_its_column_from_its_own_row(self):
        records, taught = self._records(), _TABLE.row("kd_wrn_to_resnet")
        # Not those of the seed of which the teacher alone is complete.
        self.assertEqual(records.accuracies(taught, 1), {1: 41.0})
        self.assertEqual(records.gains(taught, 1), {1: 0.0})
        self.assertAlmostEqual(records.gains(taught, 0)[1], 4.0)
        self.assertEqual(list(records.total_gains(taught)), [1])
        self.assertEqual(records.curves(taught, 1, "test_{}_accuracy"), {})

    def test_runs_of_fewer_students_are_left_out_and_named(self):
        scale = scales.scale("small", _TABLE)
        for complete in (True, False):
            write_run(self.folder, "dml", int(complete), {"a": 0.3}, complete=complete)
        # One of a detector has no students.
        path = write_run(self.folder, "general_icl", 0, {"a": 0.3, "b": 0.3}).path / "result.json"
        result = json.loads(path.read_text())
        path.write_text(json.dumps({key: result[key] for key in result if key != "students"}))
        records = self._records()
        for name in ("dml", "general_icl"):
            row = _TABLE.row(name)
            self.assertEqual((records.of_row(row), records.curves(row, 0, "{}_accuracy")), ({}, {}))
            self.assertEqual(records.loss_gaps(row, 1), [])
        self.assertContainsSubset(
            [
                "1 student (now 2) of DML (seed 0), which is left out",
                "1 student (now 2) of DML (seed 1), which is left out",
                "0 students (now 2) of KDCL-General + ICL (seed 0), which is left out",
            ],
            records.differences(scale),
        )
        self.assertIn("DML (seeds 0, 1)", records.missing)
        counts = [_TABLE.students_of(name) for name in ("vanilla", "kd_wrn_to_resnet", "one")]
        self.assertEqual(counts, [2, 1, 1])

    def test_a_column_that_a_row_leaves_out_is_empty(self):
        one = _TABLE.row("one")
        write_run(self.folder, "one", 0, {"a": 0.33, "a_2": 0.34, "a_3": 0.35})
        records = self._records()
        self.assertEqual(records.accuracies(one, 0), {0: 33.0})
        self.assertEqual(records.accuracies(one, 1), {})
        self.assertEqual(records.total_gains(one), {})

    def test_curves_are_of_evaluated_epochs_of_begun_runs_too(self):
        found = self._records().curves(_TABLE.row("naive"), 1, "test_{}_accuracy")
        self.assertEqual(found, {0: [(2, 0.195), (4, 0.39)], 1: [(2, 0.22), (4, 0.44)]})

    def test_the_loss_gap_is_the_baselines_minus_the_rows(self):
        found = Records(self.folder, _TABLE, 1).loss_gaps(_TABLE.row("naive"), 0)
        self.assertEqual(found, [(2, 0.5), (4, 0.25)])
        self.assertEqual(self._records().loss_gaps(_TABLE.row("vanilla"), 0), [(2, 0.0), (4, 0.0)])

    def test_weights_are_those_of_general(self):
        found = self._records().weights(_TABLE.row("general"))
        self.assertEqual(found["a"], [(epoch, 0.25) for epoch in (1, 2, 3, 4)])
        self.assertEqual(list(found), ["a", "b"])
        self.assertEqual(self._records().weights(_TABLE.row("vanilla")), {})


if __name__ == "__main__":
    absltest.main()
