"""Tests of tools/transfer_table.py."""

import importlib.util
import json
import pathlib

from absl.testing import absltest

_PATH = pathlib.Path(__file__).parents[2] / "tools" / "transfer_table.py"
_SPEC = importlib.util.spec_from_file_location("transfer_table", _PATH)
transfer_table = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(transfer_table)


class TableTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, accuracy, ap):
        for folder, result in (
            (name, {"students": {"resnet18": {"accuracy": accuracy}}}),
            (
                f"{name}_faster",
                {"test_box_ap": ap, "test_box_ap50": 2 * ap, "test_box_ar100": 3 * ap},
            ),
        ):
            (self.folder / folder).mkdir()
            (self.folder / folder / "result.json").write_text(json.dumps(result))

    def test_medians_spreads_and_gains_by_seed(self):
        for seed, (alone, cohort) in enumerate(((0.5, 0.6), (0.4, 0.45), (0.6, 0.58))):
            self.write(f"alone_{seed}", alone, 0.01)
            self.write(f"cohort_{seed}", cohort, 0.01 + 0.001 * seed)
        lines = transfer_table.table(self.folder)
        self.assertStartsWith(lines[2], "| alone | 50.00 (40.00 to 60.00) | 1.00 (1.00 to 1.00) |")
        self.assertStartsWith(lines[3], "| cohort | 58.00 (45.00 to 60.00) | 1.10 (1.00 to 1.20) |")
        self.assertLen(lines, 5)
        # 10, 5 and -2: not the difference of the medians.
        self.assertIn("| 5.00 (-2.00 to 10.00) | 0.10 (0.00 to 0.20) | 0.20 (0.00", lines[4])

    def test_what_is_not_there_is_none(self):
        self.write("alone_0", 0.5, 0.01)
        lines = transfer_table.table(self.folder)
        self.assertEqual(lines[3], "| cohort | none | none | none | none |")
        self.assertEqual(lines[2], "| alone | 50.00 | 1.00 | 2.00 | 3.00 |")
        self.assertRegex(lines[-1], "not of the same seeds: CIFAR-100 of alone: 0; .*cohort: none")


if __name__ == "__main__":
    absltest.main()
