"""Tests of kdcl_tf.reproduction.plan."""

import dataclasses
import math
import pathlib
import re

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction.plan import chosen, folder_name, plan, shard
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES

_OUT = pathlib.Path("out")


def _plan(table="7", scale="small", seeds=2):
    return plan(TABLES[table], scales.scale(scale, TABLES[table]), seeds, _OUT)


class PlanTest(parameterized.TestCase):
    @parameterized.product(
        table_and_scale=[
            (number, name) for number, table in TABLES.items() for name in scales.names(table)
        ],
        seeds=(1, 3),
    )
    def test_a_run_for_every_row_and_seed_that_kdcl_train_accepts(self, table_and_scale, seeds):
        table, scale = table_and_scale
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


class OwnTablesTest(parameterized.TestCase):
    """Of the tables that the paper does not have."""

    @parameterized.parameters(
        ("general", "small", {"vanilla", "general_icl"}),
        ("length", "small", {"vanilla", "min_logit_icl"}),
        ("weight", "small", {"general_icl"}),
        ("all", "medium", {"vanilla", "min_logit_icl", "general_icl", "dml", "linear_icl"}),
    )
    def test_rows_that_table_7_has_are_the_same_runs(self, table, scale, rows):
        ours = {run.row: run for run in _plan(table, scale)}
        theirs = {run.row: run for run in _plan("7", scale)}
        self.assertEqual(folder_name(TABLES[table], scales.scale(scale, TABLES[table])),
                         f"table7_{scale}")  # fmt: skip
        self.assertContainsSubset(rows, ours.keys() & theirs.keys())
        for row in rows:
            self.assertEqual(ours[row].settings, theirs[row].settings)
            self.assertEqual(ours[row].workdir, theirs[row].workdir)

    def test_lengths_are_those_of_their_labels_and_take_about_as_many_steps(self):
        steps = {}
        for run in _plan("length", seeds=1):
            label = TABLES["length"].row(run.row).label
            settings = run.settings
            images, epochs = re.search(r"(\d+) images, (\d+) epochs", label).groups()
            found = (settings.train_per_class, settings.holdout_per_class, settings.epochs)
            self.assertEqual(found, (int(images), 5, int(epochs)))
            half, three_quarters = settings.milestones
            self.assertBetween(half / settings.epochs, 0.46, 0.5)
            self.assertBetween(three_quarters / settings.epochs, 0.72, 0.75)
            of_length = math.ceil(settings.train_per_class * 100 / 128) * settings.epochs
            steps.setdefault(settings.train_per_class, []).append(of_length)
        self.assertEqual(steps[45], [2160, 2160, 3600, 3600, 7200, 7200])
        self.assertEqual(steps[200], [2355, 2355, 3925, 3925, 7850, 7850])

    def test_forms_of_general_differ_in_that_alone(self):
        runs = {run.row: run.settings for run in _plan("general", seeds=1)}
        usual = runs["general_icl"]
        for row, fields in (
            ("general_icl_target_error", {"general_error": "target"}),
            ("general_icl_raw_weights", {"general_constraint": "none"}),
            ("general_icl_equal_weights", {"general_constraint": "equal"}),
        ):
            self.assertEqual(runs[row], dataclasses.replace(usual, **fields))

    def test_general_is_compared_with_students_alone_on_as_many_images(self):
        runs = {run.row: run.settings for run in _plan("all", "medium", seeds=1)}
        self.assertEqual(TABLES["all"].row("general_icl").baseline, "vanilla_held_out")
        for row in ("general_icl", "vanilla_held_out"):
            self.assertEqual(runs[row].holdout_per_class, 50)
        self.assertEqual(
            runs["vanilla_held_out"], dataclasses.replace(runs["vanilla"], holdout_per_class=50)
        )
        for settings in runs.values():
            self.assertEqual((settings.epochs, settings.milestones), (60, (30, 45)))
            self.assertEqual((settings.train_per_class, settings.precision), (0, "float32"))

    def test_lambda_1_of_our_own_table_is_that_of_the_papers(self):
        ours = {run.row: run.settings for run in _plan("weight", seeds=1)}
        theirs = {run.row: run.settings for run in _plan("9", seeds=1)}
        self.assertEqual(ours["general_icl"], theirs["lambda_1"])

    def test_no_row_of_a_trial_is_longer_than_another(self):
        self.assertEqual({run.settings.epochs for run in _plan("length", "digits")}, {4})


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
