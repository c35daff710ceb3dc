"""Tests of kdcl_tf.reproduction.reporting.cost."""

from absl.testing import absltest

from kdcl_tf.reproduction.reporting import cost
from tests.reproduction.reporting.report_case import ReportTestCase
from tests.reproduction.written_runs import write_run


class CostTest(ReportTestCase):
    def test_cost_is_of_runs_with_the_parameters_that_were_trained(self):
        write_run(self.folder, "vanilla_resnet18", 0, {"a": 0.4}, peak_memory_gib=1.25)
        grid = self._grid(cost.cost, "6")
        # 18,000 images at the speed of the median epoch.
        self.assertEqual(
            self._row(grid, "ResNet-18"), ["ResNet-18", "0.50", "400", "4", "0.8", "1.25"]
        )
        self.assertIn("runs together took 0.0 hours", grid.caption)


if __name__ == "__main__":
    absltest.main()
