"""Tests of kdcl_tf.reproduction.reporting.cost."""

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import cost
from tests.reproduction.reporting.report_case import ReportTestCase
from tests.reproduction.written_runs import write_run


class CostTest(ReportTestCase):
    def test_cost_is_of_runs_with_the_parameters_that_were_trained(self):
        write_run(self.folder, "vanilla_resnet18", 0, {"a": 0.4}, peak_memory_gib=1.25, machine={})
        grid = self._grid(cost.cost, "6")
        # 18,000 images at the speed of the median epoch.
        self.assertEqual(
            self._row(grid, "ResNet-18"),
            ["ResNet-18", "0.50", "400", "4", "0.8", "1.25", "not recorded"],
        )
        self.assertIn("Training took 0.0 hours in all", grid.caption)

    def test_the_machines_of_a_row_are_told_each_once(self):
        for cores, expected in (
            ((1, 1), "1 core of Z80"),
            ((1, 2), "1 core of Z80; 2 cores of Z80"),
        ):
            for seed, count in enumerate(cores):
                machine = {"processor": "Z80", "cores": count, "accelerators": []}
                write_run(self.folder, "vanilla_resnet18", seed, {"a": 0.4}, machine=machine)
            row = self._row(self._grid(cost.cost, "6", seeds=2), "ResNet-18")
            self.assertEqual(row[-2:], [expected, "2"])


if __name__ == "__main__":
    absltest.main()
