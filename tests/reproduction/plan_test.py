"""Tests of kdcl_tf.reproduction.plan."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.plan import chosen, plan, shard
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES

_OUT = pathlib.Path("out")


def _plan(table="7", scale="small", seeds=2):
    return plan(TABLES[table], scales.scale(scale, TABLES[table]), seeds, _OUT)


class PlanTest(parameterized.TestCase):
    @parameterized.product(table=tuple(TABLES), scale=scales.NAMES, seeds=(1, 3))
    def test_a_run_for_every_row_and_seed_that_kdcl_train_accepts(self, table, scale, seeds):
        runs = _plan(table, scale, seeds)
        found = {(run.row, run.seed) for run in runs}
        rows = [row.name for row in TABLES[table].runs]
        self.assertEqual(found, {(row, seed) for row in rows for seed in range(seeds)})
        self.assertLen(runs, len(found))
        for run in runs:
            self.assertEqual(run.settings.seed, run.seed)
            self.assertEqual(run.workdir, _OUT / run.row / f"seed{run.seed}")

    def test_the_first_seed_is_complete_before_the_second_begins(self):
        seeds = [run.seed for run in _plan()]
        self.assertEqual(seeds, sorted(seeds))

    @parameterized.parameters(("full", "wrn_16_2", "resnet32"), ("small", "wrn_16_2", "resnet20"))
    def test_teachers_are_vanilla_students_of_the_same_seed_and_come_first(self, scale, one, two):
        runs = _plan(scale=scale)
        for seed in (0, 1):
            found = {run.row: run for run in runs if run.seed == seed}
            vanilla = _OUT / "vanilla" / f"seed{seed}" / "students"
            for row, teacher, student in (
                ("kd_wrn_to_resnet", one, two),
                ("kd_resnet_to_wrn", two, one),
            ):
                settings = found[row].settings
                self.assertEqual(settings.teacher, str(vanilla / teacher))
                self.assertEqual(settings.students, (student,))
                self.assertLess(runs.index(found["vanilla"]), runs.index(found[row]))

    def test_the_small_scale_is_what_it_says_in_every_row(self):
        for run in _plan():
            settings = run.settings
            self.assertEqual((settings.train_per_class, settings.holdout_per_class), (45, 5))
            self.assertEqual((settings.epochs, settings.milestones), (100, (50, 75)))
            self.assertEqual(settings.precision, "float32")
            self.assertContainsSubset(settings.students, ("resnet20", "wrn_16_2"))

    def test_rows_differ_only_in_what_they_compare(self):
        shared = ("dataset", "batch_size", "learning_rate", "weight_decay", "momentum", "epochs")
        for name in shared:
            self.assertLen({getattr(run.settings, name) for run in _plan(seeds=1)}, 1)


class ChosenTest(absltest.TestCase):
    def test_rows_are_in_the_order_they_were_asked_for_with_their_teachers_first(self):
        found = [(run.row, run.seed) for run in chosen(_plan(seeds=2), ["kd_wrn_to_resnet", "dml"])]
        self.assertEqual(
            found,
            [
                *(("vanilla", 0), ("kd_wrn_to_resnet", 0)),
                *(("vanilla", 1), ("kd_wrn_to_resnet", 1)),
                *(("dml", 0), ("dml", 1)),
            ],
        )

    def test_an_unknown_row_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected rows among vanilla, .*; got best"):
            chosen(_plan(seeds=1), ["vanilla", "best"])


class ShardTest(parameterized.TestCase):
    @parameterized.parameters(1, 2, 3, 5, 40)
    def test_shards_part_the_runs(self, count):
        runs = _plan()
        shards = [shard(runs, index, count) for index in range(count)]
        together = [run.workdir for each in shards for run in each]
        self.assertLen(together, len(runs))
        self.assertEqual(set(together), {run.workdir for run in runs})

    @parameterized.parameters(2, 3, 5)
    def test_a_teacher_is_where_its_students_are(self, count):
        runs = _plan()
        for index in range(count):
            mine = shard(runs, index, count)
            for run in mine:
                if run.teacher:
                    self.assertIn(run.teacher.workdir, [each.workdir for each in mine])


if __name__ == "__main__":
    absltest.main()
