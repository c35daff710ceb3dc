"""Tests of kdcl_tf.reproduction.reporting.report."""

import json
import pathlib
import re

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.reporting import report
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run


class ReportTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _write(self, number="7", seeds=3):
        table = TABLES[number]
        small = scales.scale("small", table)
        report.write(self.folder, table, small.headings(table), small, "the <command>", seeds)
        return ((self.folder / name).read_text() for name in ("report.md", "report.html"))

    def _row(self, markdown, start):
        line = next(each for each in markdown.splitlines() if each.startswith(start))
        return [cell.strip() for cell in line.strip("|").split("|")]

    def _fill(self, number="7", seeds=3):
        for row in TABLES[number].rows:
            for seed in range(seeds):
                students = {"resnet20": 0.30, "wrn_16_2": 0.40}
                write_run(self.folder, row.name, seed, students, general="general" in row.name)

    def test_numbers_of_a_row_by_hand(self):
        for seed, (first, second) in enumerate(((0.30, 0.40), (0.32, 0.42), (0.31, 0.44))):
            write_run(self.folder, "vanilla", seed, {"resnet20": first, "wrn_16_2": second})
        for seed, (first, second) in enumerate(((0.33, 0.41), (0.36, 0.41), (0.31, 0.47))):
            write_run(self.folder, "naive", seed, {"resnet20": first, "wrn_16_2": second})
        markdown, _ = self._write()
        self.assertEqual(
            self._row(markdown, "| KDCL-Naive |  |"),
            ["KDCL-Naive", "", "73.7", "**33.00**", "31.00–36.00", "+3.00", "74.8", "41.00",
             "41.00–47.00", "+1.00", "+6.4", "**+3.00**", "3"],
        )  # fmt: skip

    def test_a_teacher_is_marked_and_one_seed_has_no_spread(self):
        write_run(self.folder, "vanilla", 0, {"resnet20": 0.30, "wrn_16_2": 0.40})
        write_run(self.folder, "kd_wrn_to_resnet", 0, {"resnet20": 0.34})
        markdown, _ = self._write(seeds=1)
        self.assertEqual(
            self._row(markdown, "| 2 distill 1 |"),
            ["2 distill 1", "", "73.3", "**34.00**", "+4.00", "72.2", "40.00 (T)", "+0.00", "+3.4",
             "**+4.00**"],
        )  # fmt: skip
        self.assertNotIn("Spread", markdown)
        self.assertIn("one seed", markdown)

    def test_runs_on_other_images_are_named(self):
        for seed, classes in enumerate((["cat", "dog"], ["cat", "cow"])):
            data = {"identity": {"data": {"classes": classes}}}
            write_run(self.folder, "naive", seed, {"resnet20": 0.3, "wrn_16_2": 0.4}, **data)
        told = "must not be compared with the others"
        for text in self._write(seeds=1):
            self.assertNotIn(told, text)
        markdown, _ = self._write(seeds=2)
        self.assertIn(told, markdown)
        self.assertIn(
            "KDCL-Naive, seed 1 (classes 'dog' are gone; classes 'cow' are new)", markdown
        )

    def test_both_say_the_scale_of_every_figure_and_the_command(self):
        self._fill()
        markdown, page = self._write()
        captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
        self.assertGreater(len(captions), 8)
        for caption in captions:
            self.assertIn("Scale: small.", caption)
        self.assertIn("the &lt;command&gt;", page)
        self.assertIn("the <command>", markdown)
        self.assertIn("must not be compared with the paper", page)
        self.assertIn("14 of 14 rows, of 3 seeds each, and 42 of 42 runs are complete", page)
        self.assertIn("Ours ResNet-20", markdown)
        self.assertIn("Paper ResNet-32", markdown)

    def test_a_table_in_the_folder_of_another_has_files_of_its_own(self):
        table = TABLES["general"]
        small = scales.scale("small", table)
        write_run(self.folder, "vanilla", 0, {"resnet20": 0.30, "wrn_16_2": 0.40})
        paths = report.write(self.folder, table, small.headings(table), small, "command", 1)
        names = {path.name for path in self.folder.iterdir() if path.is_file()}
        wanted = {"report_general.html", "report_general.md"}
        self.assertEqual({path.name for path in paths}, wanted)
        self.assertEqual(names, wanted | {"curves_general.png", "gaps_general.png"})
        markdown = paths[1].read_text()
        self.assertStartsWith(markdown, "# Forms of General at small scale\n")
        self.assertIn("](curves_general.png)", markdown)
        self.assertIn(
            "Not done: KDCL-General, error of the whole vector + ICL (seed 0), ", markdown
        )

    def test_runs_from_before_the_scale_changed_are_called_that(self):
        self._fill(seeds=1)
        markdown, _ = self._write(seeds=1)
        self.assertNotIn("were not made as", markdown)
        old = {"epochs": 60, "milestones": [30, 45], "precision": "bfloat16"}
        path = self.folder / "naive" / "seed0" / "result.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "settings": old}))
        markdown, page = self._write(seeds=1)
        for text in (markdown, page):
            self.assertIn(
                "Some runs were not made as this table is made now: --epochs=60 (now 100) of "
                "KDCL-Naive (seed 0); --milestones=30,45 (now 50,75) of KDCL-Naive (seed 0); "
                "--precision=bfloat16 (now float32) of KDCL-Naive (seed 0).",
                text,
            )

    def test_it_is_small_and_whole(self):
        self._fill()
        self._write()
        names = {each.name for each in self.folder.iterdir() if each.is_file()}
        self.assertEqual(names, {"report.html", "report.md", "curves.png", "gaps.png"})
        self.assertLess(sum((self.folder / name).stat().st_size for name in names), 500_000)

    def test_generals_weights_are_drawn_a_chart_a_row(self):
        self._fill()
        _, page = self._write()
        self.assertLen(re.findall(r'aria-label="Weights of', page), 2)

    def test_unfinished_runs_count_as_begun(self):
        write_run(self.folder, "vanilla", 0, {"resnet20": 0.3, "wrn_16_2": 0.4}, complete=False)
        markdown, page = self._write()
        self.assertIn("0 of 14 rows, of 3 seeds each, and 0 of 42 runs are complete", markdown)
        self.assertIn('aria-label="Test accuracy by epoch, ResNet-20"', page)

    def test_a_row_is_complete_with_all_its_seeds(self):
        for seed in range(2):
            write_run(self.folder, "vanilla", seed, {"resnet20": 0.3, "wrn_16_2": 0.4})
        markdown, _ = self._write()
        self.assertIn("0 of 14 rows, of 3 seeds each, and 2 of 42 runs", markdown)
        write_run(self.folder, "vanilla", 2, {"resnet20": 0.3, "wrn_16_2": 0.4})
        markdown, _ = self._write()
        self.assertIn("1 of 14 rows, of 3 seeds each, and 3 of 42 runs", markdown)

    def test_nothing_at_all_is_said_and_no_error(self):
        markdown, page = self._write()
        self.assertIn("0 of 42 runs are complete", markdown)
        self.assertIn("Nothing to draw yet.", page)

    @parameterized.parameters("9", "5_cifar100", "10")
    def test_a_table_of_one_settings_values_has_a_chart_of_it(self, number):
        self._fill(number, seeds=1)
        _, page = self._write(number, seeds=1)
        sweep = TABLES[number].sweep
        self.assertEqual(sweep is not None, "Accuracy against the" in page)
        if sweep:
            self.assertIn(f">{sweep.label}</text>", page)


if __name__ == "__main__":
    absltest.main()
