"""Tests of kdcl_tf.reproduction.reporting.proof.headline: numbers by hand."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.proof.headline import headline
from kdcl_tf.reproduction.reporting.proof.subjects import subjects
from tests.reproduction.written_runs import write_run


class HeadlineTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _blocks(self):
        return headline(subjects(self.folder)[:2])

    def _write(self, table, row, *seeds):
        for seed, (first, second) in enumerate(seeds):
            write_run(self.folder / table, row, seed, {"a": first, "b": second})

    def test_gains_are_paired_and_have_intervals_where_there_are_three_seeds(self):
        self._write("table7_small", "vanilla", (0.30, 0.40), (0.32, 0.42), (0.31, 0.44))
        self._write("table7_small", "general_icl", (0.33, 0.41), (0.36, 0.41), (0.31, 0.47))
        self._write("table7_small", "dml", (0.29, 0.43))
        self._write("table7_medium", "vanilla", (0.60, 0.65))
        self._write("table7_medium", "vanilla_held_out", (0.58, 0.64))
        self._write("table7_medium", "general_icl", (0.61, 0.635))
        grid, missing = self._blocks()
        rows = {row[0]: list(row[1:]) for row in grid.rows}
        self.assertEqual(rows["Vanilla"], ["31.00", "42.00", "60.00", "65.00", "69.9", "72.2"])
        # Over students that train alone on as many images, on all of CIFAR-100.
        self.assertEqual(
            rows["KDCL-General + ICL"],
            ["+2.33 (−2.84 to +7.50)", "+1.00 (−3.97 to +5.97)", "+3.00", "−0.50", "+4.4", "+3.3"],
        )
        self.assertEqual(
            rows["DML"], ["−1.00 (1 seed)", "+3.00 (1 seed)", "–", "–", "+3.4", "+2.6"]
        )
        self.assertLen(rows, 3)
        self.assertIn("Scale small: 45 images per class of CIFAR-100, 100 epochs, the mean of "
                      "3 seeds unless a cell names fewer, with its 95% interval", grid.caption)  # fmt: skip
        self.assertIn("Scale medium: all of CIFAR-100, 60 epochs, one seed.", grid.caption)
        self.assertStartsWith(missing.text, "Not done yet: at small scale: 2 distill 1, KDCL-Naive")
        self.assertIn("; at medium scale: 2 distill 1, DML, ", missing.text)

    def test_a_baseline_of_fewer_seeds_says_so(self):
        self._write("table7_small", "vanilla", (0.30, 0.40))
        self._write("table7_small", "dml", (0.31, 0.41), (0.32, 0.42))
        grid, _ = self._blocks()
        self.assertEqual(grid.rows[0][1:3], ("30.00 (1 seed)", "40.00 (1 seed)"))

    def test_a_teacher_has_no_gain(self):
        self._write("table7_small", "vanilla", (0.30, 0.40))
        write_run(self.folder / "table7_small", "kd_wrn_to_resnet", 0, {"a": 0.36})
        grid, _ = self._blocks()
        self.assertEqual(grid.rows[1], ("2 distill 1", "+6.00", "–", "–", "–", "+3.4", "–"))

    def test_a_run_without_its_baseline_is_not_done(self):
        self._write("table7_medium", "general_icl", (0.61, 0.635))
        grid, missing = self._blocks()
        self.assertLen(grid.rows, 1)
        self.assertStartsWith(missing.text, "Not done yet: at small scale: Vanilla, 2 distill 1, ")
        self.assertIn("; at medium scale: Vanilla, 2 distill 1, ", missing.text)
        self.assertIn("KDCL-General + ICL", missing.text)
        self.assertIn("no run is complete", grid.caption)


if __name__ == "__main__":
    absltest.main()
