"""Tests of kdcl_tf.reproduction.reporting.proof.report."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction import proof
from kdcl_tf.reproduction.reporting.proof import report
from tests.reproduction.written_runs import write_run


class ReportTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _write(self, row, accuracies):
        write_run(self.folder / "table7_small", row, 0, accuracies, ensemble_accuracy=0.5)

    def test_every_table_has_its_section_and_what_is_not_done_has_no_number(self):
        text = report.markdown(self.folder)
        for heading in ("In short", "Table 7 at small scale", "All of CIFAR-100 at medium scale",
                        "Length of training at small scale", "Forms of General at small scale",
                        "Weight of the distillation loss at small scale",
                        "The paper's analyses"):  # fmt: skip
            self.assertIn(f"\n## {heading}\n", text)
        for part in proof.PARTS:
            self.assertIn(part.question, text)
        self.assertIn("0 of 25 runs are complete.", text)
        self.assertNotIn("\n### ", text.partition("## The paper's analyses")[0])

    def test_a_run_is_in_every_table_that_has_its_row(self):
        self._write("vanilla", {"a": 0.30, "b": 0.40})
        self._write("general_icl", {"a": 0.3375, "b": 0.4225})
        text = report.markdown(self.folder)
        sections = {each.partition("\n")[0]: each for each in text.split("\n## ")[1:]}
        found = [head for head, each in sections.items() if "33.75" in each]
        self.assertEqual(found, ["Table 7 at small scale", "Forms of General at small scale",
                                 "Weight of the distillation loss at small scale"])  # fmt: skip
        self.assertIn("| +3.75 |", sections["In short"])
        self.assertIn("Not done: Vanilla (seeds 1, 2), ", text)
        for heading in ("Accuracy, the paper's and ours", "Gains paired by seed", "Cost",
                        "Accuracy of the ensemble", "Training against test accuracy",
                        "Test loss"):  # fmt: skip
            self.assertIn(f"\n### {heading}\n", text)

    def test_a_taught_row_has_no_numbers_before_its_own_run_is_complete(self):
        self._write("vanilla", {"a": 0.30, "b": 0.40})
        rows = [
            row for row in report.markdown(self.folder).splitlines() if "| 2 distill 1 |" in row
        ]
        self.assertNotEmpty(rows)
        for row in rows:
            # The paper's numbers are there.
            self.assertNotRegex(row, r"40\.00|\(T\)|0\.00|1\.000")

    def test_a_run_of_other_settings_is_told_where_it_is_shown(self):
        accuracies = {"a": 0.30, "b": 0.40}
        write_run(self.folder / "table7_small", "vanilla", 0, accuracies, settings={"epochs": 60})
        text = report.markdown(self.folder)
        section = text.partition("## Table 7 at small scale")[2].partition("\n## ")[0]
        self.assertIn("made as this table is made now: --epochs=60 (now 100) of all runs.", section)

    def test_the_summary_is_the_first_table_of_the_report(self):
        self._write("vanilla", {"a": 0.30, "b": 0.40})
        self.assertIn(f"## In short\n\n{report.summary(self.folder)}\n\n## Table 7",
                      report.markdown(self.folder))  # fmt: skip


if __name__ == "__main__":
    absltest.main()
