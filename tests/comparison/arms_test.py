"""Tests of kdcl_tf.comparison.arms."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.classification import factory
from kdcl_tf.classification.inputs import create_views, load_dataset
from kdcl_tf.classification.settings import Settings
from kdcl_tf.comparison import arms
from kdcl_tf.files.identity import DamageError, Identity
from kdcl_tf.training.workdir import Workdir

_SETTINGS = Settings(image_size=8, train_per_class=2, epochs=3, milestones=(2,), seed=4)


class ArmsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters(
        {},
        {"ensemble": "linear", "distillation_weight": 3.0, "temperature": 4.0},
        {"ensemble": "general", "dataset": "cifar100", "holdout_per_class": 7},
        {"general_error": "target", "general_constraint": "none"},
        {"method": "offline_distillation", "teacher": "runs/a/students/b"},
        {"method": "mutual_learning", "invariant": False, "precision": "bfloat16"},
        {"validation_share": 0.25, "keep": "best", "keep_by": "wrn_10_2"},
        {"dataset": "folder:a b", "test_share": 0.2, "class_weights": "balanced"},
    )
    def test_only_what_students_learn_from_differs(self, **change):
        unresolved = {"ensemble": None, "temperature": None, "holdout_per_class": None}
        settings = dataclasses.replace(_SETTINGS, **{**unresolved, **change})
        self.assertEqual([run.settings for run in arms.runs(settings, 1, self.folder)][1], settings)
        before, after = settings.as_flags(), arms.alone(settings).as_flags()
        differ = {name for name in before if before[name] != after[name]}
        allowed = {"method", "ensemble", "temperature", "distillation_weight", "teacher"}
        self.assertContainsSubset({"method"}, differ)
        self.assertEmpty(differ - allowed - {"general_error", "general_constraint"})
        self.assertEqual(after["method"], "independent")
        names = arms.counterparts(settings)
        self.assertEqual(list(names), list(settings.student_names))
        self.assertEqual(list(names.values()), list(settings.student_names))

    def test_branches_are_compared_with_one_network(self):
        for method, branches in (("one", 3), ("clnn", 4)):
            kept = {"validation_share": 0.1, "keep": "best", "keep_by": "resnet8_2"}
            settings = Settings(method=method, students=("resnet8",), **kept)
            self.assertEqual(arms.alone(settings).students, ("resnet8",))
            self.assertEqual(list(arms.counterparts(settings).values()), ["resnet8"] * branches)
            self.assertEqual(arms.alone(settings).learning_rate, settings.learning_rate)
            rates = ",".join(f"{name}=0.3" for name in settings.student_names)
            by_name = dataclasses.replace(settings, learning_rate=rates)
            self.assertEqual(arms.alone(by_name).learning_rate, 0.3)

    def test_both_begin_with_the_same_weights_and_see_the_same_views(self):
        found = []
        for settings in (_SETTINGS, arms.alone(_SETTINGS)):
            dataset = load_dataset(settings, None)
            cohort = factory.create_compiled(settings, dataset, 2)
            views = create_views(settings, dataset).epoch(1, 16)
            (images, labels), *_ = views.as_numpy_iterator()
            weights = [each.get_weights() for each in cohort.students.values()]
            held_out = dataset.held_out.images
            found.append(tf.nest.flatten((weights, images, labels, held_out)))
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_runs_are_pairs_and_have_the_settings_that_were_asked_for(self):
        runs = arms.runs(_SETTINGS, 2, self.folder)
        places = [str(run.workdir.relative_to(self.folder)) for run in runs]
        self.assertEqual(places, ["alone/seed4", "cohort/seed4", "alone/seed5", "cohort/seed5"])
        self.assertEqual(runs[1].settings, _SETTINGS)
        self.assertEqual(runs[2].settings, arms.alone(dataclasses.replace(_SETTINGS, seed=5)))

    def test_a_folder_of_other_settings_is_refused_whatever_its_seeds(self):
        for run in arms.runs(dataclasses.replace(_SETTINGS, seed=9), 1, self.folder):
            Workdir(run.workdir).record(run.settings)
        arms.check(_SETTINGS, self.folder)
        for change in ({"learning_rate": 0.5}, {"distillation_weight": 2.0}):
            with self.assertRaisesRegex(
                ValueError, rf"seed9 was made with .*--{next(iter(change))}="
            ):
                arms.check(dataclasses.replace(_SETTINGS, **change), self.folder)

    def _complete(self, run, labels, exports=(), **more):
        data = {"classes": ["ape", "bee"], "train": {"images": 4, "labels": labels * 64}, **more}
        facts = Identity(run.settings.as_flags(), data, versions={}).facts
        result = {"identity": facts, "places": run.settings.places(), "exports": list(exports)}
        Workdir(run.workdir).write_result(result)

    def test_runs_on_different_data_are_not_compared(self):
        alone, cohort, *later = arms.runs(_SETTINGS, 2, self.folder)
        self._complete(alone, "a")
        arms.check(_SETTINGS, self.folder)
        self._complete(cohort, "a")
        arms.check(_SETTINGS, self.folder)
        self._complete(later[0], "b")
        message = "alone/seed5 was trained on other data than .*alone/seed4: train labels differ; "
        with self.assertRaisesRegex(ValueError, message):
            arms.check(_SETTINGS, self.folder)

    def test_cohorts_of_different_teachers_are_not_compared(self):
        alone, cohort, *later = arms.runs(_SETTINGS, 2, self.folder)
        for run in (alone, later[0]):
            self._complete(run, "a")
        self._complete(cohort, "a", teacher="a" * 64)
        arms.check(_SETTINGS, self.folder)
        self._complete(later[1], "a", teacher="b" * 64)
        message = "cohort/seed5 was trained on other data than .*cohort/seed4: teacher differ; "
        with self.assertRaisesRegex(ValueError, message):
            arms.check(_SETTINGS, self.folder)

    def test_a_run_on_data_at_another_path_is_asked_again(self):
        for name in ("old", "new"):
            (self.folder / name).mkdir()
        old, new = (f"folder:{self.folder / name}" for name in ("old", "new"))
        settings = dataclasses.replace(_SETTINGS, dataset=old)
        run = arms.runs(settings, 1, self.folder / "compared")[0]
        self.assertFalse(run.is_complete)
        self.assertFalse(run.workdir.exists())
        self._complete(run, "a")
        self.assertTrue(run.is_complete)
        moved = dataclasses.replace(settings, dataset=new)
        self.assertFalse(arms.runs(moved, 1, self.folder / "compared")[0].is_complete)

    def test_a_run_on_data_in_another_data_dir_is_asked_again(self):
        one, two = (str(self.folder / name) for name in ("one", "two"))
        settings = dataclasses.replace(_SETTINGS, dataset="cifar100")
        for name in ("one", "two"):
            (self.folder / name / "cifar100").mkdir(parents=True)
        run = arms.runs(settings, 1, self.folder / "compared", one)[0]
        result = {"places": run.settings.places() | run.settings.place_of_data(one)}
        Workdir(run.workdir).write_result(result)
        self.assertTrue(run.is_complete)
        self.assertFalse(arms.runs(settings, 1, self.folder / "compared", two)[0].is_complete)

    def test_a_comparison_needs_no_exports_of_runs_that_are_complete(self):
        run = arms.runs(_SETTINGS, 1, self.folder)[0]
        self._complete(run, "a", exports=["students/resnet8"])
        self.assertTrue(run.is_complete)
        (run.workdir / "result.json").write_text("{")
        with self.assertRaisesRegex(DamageError, "result.json is damaged"):
            _ = run.is_complete

    def test_a_folder_of_one_run_is_refused(self):
        Workdir(self.folder).record(_SETTINGS)
        with self.assertRaisesRegex(ValueError, "a run of its own, which has flags.txt: pass"):
            arms.check(_SETTINGS, self.folder)

    def test_a_flagfile_of_the_users_own_is_no_run(self):
        (self.folder / "flags.txt").write_text("--compare\n--seeds=2\n")
        arms.check(_SETTINGS, self.folder)

    def test_a_run_of_its_own_is_refused_in_a_folder_of_runs(self):
        for run in arms.runs(_SETTINGS, 1, self.folder):
            Workdir(run.workdir).record(run.settings)
            with self.assertRaisesRegex(
                ValueError, "holds the runs of a comparison: pass --compare"
            ):
                Workdir(self.folder).check(_SETTINGS)
        arms.check(_SETTINGS, self.folder)


if __name__ == "__main__":
    tf.test.main()
