"""Tests of kdcl_tf.reproduction.reporting.subject."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from tests.reproduction.written_runs import write_run


def _subject(number="7", seeds=1, folder="nowhere"):
    table = TABLES[number]
    scale = scales.scale("small", table)
    records = Records(pathlib.Path(folder), table, seeds)
    return Subject(records, scale.headings(table), scale, "command")


class SubjectTest(absltest.TestCase):
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

    def test_baselines_are_those_of_all_rows(self):
        self.assertEqual(_subject().baselines, {0})
        self.assertEqual(_subject("4").baselines, {0, 3, 6, 9, 12})


if __name__ == "__main__":
    absltest.main()
