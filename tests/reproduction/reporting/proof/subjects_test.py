"""Tests of kdcl_tf.reproduction.reporting.proof.subjects."""

import pathlib

from absl.testing import absltest

from kdcl_tf.reproduction import proof
from kdcl_tf.reproduction.reporting.proof.subjects import command, subjects
from tests.reproduction.written_runs import write_run


class SubjectsTest(absltest.TestCase):
    def test_each_table_has_the_runs_of_its_folder(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        write_run(folder / "table7_small", "general_icl", 0, {"a": 0.4, "b": 0.5})
        found = {each.table.number: each for each in subjects(folder)}
        self.assertEqual(list(found), ["7", "all", "length", "general", "weight"])
        for number in ("7", "general", "weight"):
            self.assertEqual(list(found[number].records.results), [("general_icl", 0)])
        self.assertEmpty(found["all"].records.results)
        self.assertEqual(found["7"].columns, ("ResNet-20", "WRN-16-2"))
        self.assertEqual(found["7"].records.planned, 25)
        self.assertEqual(found["general"].records.planned, 15)

    def test_the_command_makes_all_parts_of_a_table(self):
        self.assertEqual(command(proof.PARTS, "all"),
                         "python tools/prove.py --parts=all,all_more --data_dir=DIR")  # fmt: skip


if __name__ == "__main__":
    absltest.main()
