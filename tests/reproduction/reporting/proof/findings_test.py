"""Tests of kdcl_tf.reproduction.reporting.proof.findings."""

import json
import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction import analyses
from kdcl_tf.reproduction.reporting.blocks import Grid, Paragraph
from kdcl_tf.reproduction.reporting.proof.findings import findings
from kdcl_tf.reproduction.tables.catalogue import TABLES

_NAMES = ("vanilla/seed0/resnet32", "general_icl/seed0/resnet32")
_NUMBERS = {
    "noise": {
        "deviations": [0.0, 0.01, 0.05],
        "draws": 2,
        "students": {name: {"nll": [[1.0, 2.0], [0.0, 0.0], [3.0, 4.5]]} for name in _NAMES},
    },
    "categories": {
        "first_better": 30,
        "second_better": 60,
        "equal": 10,
        "categories": ["a", "b"],
        "accuracy": {"resnet32": [], "wrn_16_2": []},
    },
    "overfitting": {name: {"train": 0.9, "test": 0.7, "train_images": 45_000} for name in _NAMES},
    "spread": {name: {"true_average": 0.347, "vector_average": 0.5} for name in _NAMES},
}
_ROWS = {
    "noise": ("vanilla, resnet32", "1.500", "3.750"),
    "categories": ("number", "30", "60", "10"),
    "overfitting": ("vanilla, resnet32", "90.00", "70.00", "+20.00", "45,000"),
    "spread": ("vanilla, resnet32", "0.347", "0.500"),
}


class FindingsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_what_is_not_done_is_said(self):
        blocks = list(findings(self.folder))
        self.assertLen(blocks, len(analyses.ANALYSES))
        for block in blocks:
            self.assertIsInstance(block, Paragraph)
            self.assertStartsWith(block.text, "Not done: ")

    def test_each_is_a_table(self):
        for analysis in analyses.ANALYSES:
            path = analyses.output(analysis, self.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"numbers": _NUMBERS[analysis.kind]}))
        grids = [block for block in findings(self.folder) if isinstance(block, Grid)]
        self.assertLen(grids, len(analyses.ANALYSES))
        for analysis, grid in zip(analyses.ANALYSES, grids):
            self.assertEqual(grid.rows[0], _ROWS[analysis.kind])
            self.assertLen(grid.heads, len(grid.rows[0]))
            self.assertIn(f"Runs of {analysis.folder}", grid.caption)
            is_said = "general_icl train on 450 images per class" in grid.caption
            self.assertEqual(is_said, analyses.HELD_OUT in analysis.rows)

    def test_on_all_images_general_is_beside_students_alone_on_as_many(self):
        for analysis in analyses.ANALYSES:
            if analysis.folder == "table7_medium" and "general_icl" in analysis.rows:
                self.assertIn(TABLES["all"].row("general_icl").baseline, analysis.rows)


if __name__ == "__main__":
    absltest.main()
