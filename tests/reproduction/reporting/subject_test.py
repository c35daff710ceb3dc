"""Tests of kdcl_tf.reproduction.reporting.subject."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.plan import plan
from kdcl_tf.reproduction.reporting import curves, gains, grids
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run


def _subject(number="7", seeds=1, folder="nowhere", scale="small"):
    table = TABLES[number]
    scale = scales.scale(scale, table)
    records = Records(pathlib.Path(folder), table, seeds)
    return Subject(records, scale.headings(table), scale, "command")


class SubjectTest(parameterized.TestCase):
    def test_it_says_what_a_number_is(self):
        self.assertEqual(_subject().at_scale, "Scale: small.")
        self.assertEqual(_subject().of_seeds, "one seed")
        self.assertEqual(_subject(seeds=5).of_seeds, "median of 5 seeds")
        self.assertEqual(_subject().if_seeds("x"), [])
        self.assertEqual(_subject(seeds=2).if_seeds("x"), ["x"])

    def test_it_counts_the_seeds_that_are_complete(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        accuracies = {"resnet20": 0.5, "wrn_16_2": 0.5}
        for row, seed, told in (
            ("vanilla", 0, "one seed"),
            ("dml", 0, "one seed"),
            ("vanilla", 1, "median of up to 2 seeds"),
            ("dml", 1, "median of 2 seeds"),
        ):
            write_run(folder, row, seed, accuracies)
            self.assertEqual(_subject(seeds=3, folder=folder).of_seeds, told)

    def test_only_a_table_in_the_folder_of_another_has_a_suffix(self):
        self.assertEqual([_subject(number).suffix for number in ("7", "general")], ["", "_general"])

    @parameterized.parameters(*TABLES)
    def test_a_baseline_is_trained_alone_or_captions_name_it(self, number):
        subject = _subject(number, scale="digits")
        table = subject.table
        rows = [table.rows[index] for index in subject.baselines]
        # The row's own run, or those of the students that it reports.
        names = {
            row.name if row.is_run else report[0]
            for row in rows
            for report in row.reports
            if report is not None
        }
        runs = [run for run in plan(table, subject.scale, 1, "nowhere") if run.row in names]
        self.assertLen(runs, len(names))
        alone = {"independent"} == {run.settings.method for run in runs}
        self.assertEqual(subject.baseline == "the baseline", alone)

    @parameterized.parameters("9", "weight")
    def test_a_cohort_that_gains_are_over_is_named_wherever_there_are_some(self, number):
        subject, name = _subject(number, seeds=2), "the cohort with λ = 1"
        (*_, accuracies), (*_, losses) = grids.accuracies(subject), grids.losses(subject)
        (*_, paired), (heading, *figures) = gains.paired(subject), curves.loss_gaps(subject)
        self.assertIn(f"points over {name} of the same seed", accuracies.caption)
        self.assertIn(f"Gap: the loss of {name} minus", losses.caption)
        self.assertIn(f"points over {name} of the same seed", paired.caption)
        self.assertEqual(heading.text, f"Loss gap to {name}")
        for figure in figures:
            self.assertIn(f"cross-entropy of {name} minus", figure.caption)
        *_, (_, _, label) = curves.pictures(subject)
        self.assertEqual(label, f"loss of {name} minus the method's (nats)")

    def test_baselines_are_those_of_all_rows(self):
        self.assertEqual(_subject().baselines, {0})
        self.assertEqual(_subject("4").baselines, {0, 3, 6, 9, 12})


if __name__ == "__main__":
    absltest.main()
