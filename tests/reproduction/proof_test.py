"""Tests of kdcl_tf.reproduction.proof."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction import proof
from kdcl_tf.reproduction.plan import shard

_OUT = pathlib.Path("out")


class ProofTest(parameterized.TestCase):
    def test_rows_are_those_of_their_tables(self):
        names = [part.name for part in proof.PARTS]
        self.assertLen(set(names), len(names))
        for part in proof.PARTS:
            self.assertContainsSubset(part.rows, [row.name for row in part.table.runs])
            self.assertEndsWith(part.question, "?")

    def test_every_run_is_made_once_and_kdcl_train_accepts_it(self):
        runs = proof.runs(proof.PARTS, _OUT)
        self.assertLen({run.workdir for run in runs}, len(runs))
        for run in runs:
            self.assertEqual(run.settings.precision, "float32")
            self.assertEqual(run.settings.dataset, "cifar100")
        folders = {run.workdir.relative_to(_OUT).parts[0] for run in runs}
        self.assertEqual(folders, {"table7_small", "table7_medium"})

    def test_the_first_seed_of_all_rows_comes_before_the_second(self):
        part = proof.named(["methods"])[0]
        runs = proof.runs([part], _OUT)
        self.assertEqual([run.seed for run in runs], sorted(run.seed for run in runs))
        self.assertEqual([run.row for run in runs[: len(part.rows)]], list(part.rows))
        self.assertLen(runs, 3 * len(part.rows))

    def test_shards_share_all_runs_and_a_student_follows_its_teacher(self):
        runs = proof.runs(proof.PARTS, _OUT)
        shards = [shard(runs, index, 2) for index in (0, 1)]
        self.assertCountEqual([run.workdir for each in shards for run in each],
                              [run.workdir for run in runs])  # fmt: skip
        for each in shards:
            for run in each:
                if run.teacher:
                    places = [other.workdir for other in each]
                    self.assertLess(places.index(run.teacher.workdir), places.index(run.workdir))

    def test_a_part_that_needs_rows_of_another_makes_them_itself(self):
        runs = proof.runs(proof.named(["all_more"]), _OUT)
        rows = [run.row for run in runs]
        self.assertEqual(rows, ["linear_icl", "vanilla", "kd_wrn_to_resnet"])

    def test_parts_of_one_table_make_one_table_with_their_rows_alone(self):
        tables = proof.tables(proof.PARTS)
        numbers = [table.number for table, _, _, _ in tables]
        self.assertEqual(numbers, ["7", "all", "length", "general", "weight"])
        table, scale, folder, seeds = tables[0]
        self.assertNotIn("kd_resnet_to_wrn", [row.name for row in table.rows])
        self.assertLen(table.rows, 13)
        self.assertEqual((scale.name, folder), ("small", "table7_small"))
        self.assertEqual((seeds["vanilla"], seeds["one"]), (3, 1))

    def test_parts_are_in_the_order_of_the_proof_and_unknown_ones_refused(self):
        found = proof.named(["general", "methods"])
        self.assertEqual([part.name for part in found], ["methods", "general"])
        self.assertEqual(proof.named([]), proof.PARTS)
        with self.assertRaisesRegex(ValueError, "expected --parts among methods, .*; got best"):
            proof.named(["best"])


if __name__ == "__main__":
    absltest.main()
