"""Tests of kdcl_tf.reproduction.reporting.grids: numbers by hand."""

import shutil

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import grids
from kdcl_tf.reproduction.reporting.cost import cost
from tests.reproduction.reporting.report_case import ReportTestCase
from tests.reproduction.written_runs import write_run


class GridsTest(ReportTestCase):
    def test_vanilla_students_come_from_runs_of_their_own(self):
        write_run(self.folder, "vanilla_resnet50", 0, {"a": 0.50})
        write_run(self.folder, "vanilla_resnet18", 0, {"b": 0.40})
        write_run(self.folder, "naive", 0, {"a": 0.52, "b": 0.39})
        write_run(self.folder, "kd", 0, {"b": 0.45})
        grid = self._grid(grids.accuracies, "2")
        self.assertEqual(
            self._row(grid, "Vanilla"),
            ["Vanilla", "", "76.8", "50.00", "+0.00", "71.2", "40.00", "+0.00", "+0.0", "+0.00"],
        )
        self.assertEqual(
            self._row(grid, "KDCL-Naive"),
            ["KDCL-Naive", "✓"]
            + ["77.5", "52.00", "+2.00", "72.9", "39.00", "−1.00", "+2.4", "+1.00"],
        )
        self.assertEqual(
            self._row(grid, "KD"),
            ["KD", "", "76.8", "50.00 (T)", "+0.00", "72.1", "45.00", "+5.00", "+0.9", "+5.00"],
        )

    def test_pairs_are_counted_from_their_own_baseline(self):
        for name, accuracy in (("mobilenet_v2", 0.6), ("mobilenet_v2_0.5", 0.5), ("resnet18", 0.7)):
            write_run(self.folder, f"vanilla_{name}", 0, {name: accuracy})
        pair = {"resnet18": 0.71, "mobilenet_v2_0.5": 0.53}
        write_run(self.folder, "resnet18_mobilenet_v2_0.5_linear", 0, pair)
        row = self._row(self._grid(grids.accuracies, "4"), "ResNet-18, MBV2x0.5*: Linear")
        self.assertEqual(row[4::3], ["+1.00", "+3.00"])
        self.assertEqual(row[8:], ["+1.4", "+4.00"])

    def test_columns_may_be_measures_of_one_student(self):
        write_run(self.folder, "one", 0, {"a": 0.40, "a_2": 0.41, "a_3": 0.42})
        grid = self._grid(grids.accuracies, "3")
        self.assertEqual(
            self._row(grid, "ONE (29.5M)"),
            ["ONE (29.5M)", "", "72.2", "40.00", "–", "90.6", "100.00", "–"],
        )
        self.assertEqual(self._grid(grids.over_fitting, "3").heads[2:],
                         ("Top-1 training", "test", "gap"))  # fmt: skip

    def test_the_gap_is_the_median_of_those_of_the_seeds(self):
        # Not the difference of the medians, which is 48.2.
        for seed, (training, test) in enumerate(((0.812, 0.343), (0.821, 0.331), (0.835, 0.339))):
            students = {"a": {"accuracy": test, "train_accuracy": training, "top_5_accuracy": 1.0}}
            write_run(self.folder, "one", seed, {"a": test}, students=students)
        grid = self._grid(grids.over_fitting, "3", seeds=3)
        self.assertEqual(self._row(grid, "ONE (29.5M)")[2:5], ["82.10", "33.90", "+49.00"])

    def test_two_digits_of_the_paper_are_kept(self):
        grid = self._grid(grids.accuracies, "5")
        self.assertEqual([row[2] for row in grid.rows], ["70.1", "71.3", "71.61", "71.75", "71.87"])

    def test_the_ensemble_is_beside_the_best_student(self):
        write_run(self.folder, "dml", 0, {"a": 0.36, "b": 0.40}, ensemble_accuracy=0.425)
        self.assertNotIn("ONE", self._grid(grids.ensembles, "7").caption)
        write_run(self.folder, "one", 0, {"a": 0.36}, ensemble_accuracy=0.4)
        self.assertIn("that of ONE is its gated", self._grid(grids.ensembles, "7").caption)
        shutil.rmtree(self.folder / "one")
        grid = self._grid(grids.ensembles, "7")
        self.assertEqual(grid.rows, (("DML", "40.00", "42.50", "+2.50"),))

    def test_rows_of_fewer_seeds_say_so_and_are_not_the_best(self):
        for seed in (0, 1):
            write_run(self.folder, "vanilla", seed, {"a": 0.30, "b": 0.40})
            write_run(self.folder, "dml", seed, {"a": 0.35, "b": 0.41}, ensemble_accuracy=0.42)
        write_run(self.folder, "naive", 0, {"a": 0.36, "b": 0.42}, ensemble_accuracy=0.43)
        grid = self._grid(grids.accuracies, "7", seeds=2)
        labels = [row[0] for row in grid.rows]
        best = {labels[row] for row, column in grid.best if grid.heads[column].startswith("Ours")}
        self.assertEqual(best, {"DML"})
        self.assertIn("of the rows with the most seeds", grid.caption)
        told = ("DML", "KDCL-Naive")
        for function in (grids.accuracies, grids.ensembles, grids.losses, grids.over_fitting, cost):
            grid = self._grid(function, "7", seeds=2)
            seeds = [self._row(grid, label)[grid.heads.index("Seeds")] for label in told]
            self.assertEqual(seeds, ["2", "1"])

    def test_the_gap_of_the_loss_is_above_0_where_it_is_below_the_baselines(self):
        write_run(self.folder, "vanilla", 0, {"a": 0.30, "b": 0.40})
        students = {
            "a": {"accuracy": 0.36, "train_accuracy": 0.4, "cross_entropy": 0.75},
            "b": {"accuracy": 0.40, "train_accuracy": 0.4, "cross_entropy": 1.5},
        }
        write_run(self.folder, "dml", 0, {"a": 0.36, "b": 0.40}, students=students)
        grid = self._grid(grids.losses, "7")
        self.assertEqual(self._row(grid, "DML"), ["DML", "", "0.750", "+0.250", "1.500", "−0.500"])


if __name__ == "__main__":
    absltest.main()
