"""Tests of kdcl_tf.train: its flags, and what it tells; `programs_test` runs it whole."""

import contextlib
import dataclasses
import io
import json
import pathlib
import subprocess
import sys

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import train
from kdcl_tf.training.settings import Settings
from kdcl_tf.training.workdir import Workdir

_RESULT = {
    "students": {
        "resnet8": {
            "accuracy": 0.5,
            "top_5_accuracy": 0.75,
            "parameters": 78042,
            "saved_model": "students/resnet8",
        }
    },
    "ensemble_accuracy": 0.625,
}

_UNUSUAL = {
    "method": "offline_distillation",
    "teacher": "runs/a teacher/students=old",
    "students": ("resnet8", "resnet8", "wrn_10_1"),
    "ensemble": "linear",
    "temperature": 3.5,
    "distillation_weight": 0.1,
    "invariant": False,
    "dataset": "folder:my photos/of=2020",
    "image_size": 24,
    "cutout": True,
    "cutout_size": 4,
    "holdout_per_class": 2,
    "train_per_class": 0,
    "epochs": 7,
    "batch_size": 5,
    "accumulation_steps": 2,
    "learning_rate": 1e-7,
    "schedule": "cosine",
    "milestones": (),
    "warmup_epochs": 2,
    "warmup_learning_rate": 0.3,
    "momentum": 0.1,
    "weight_decay": 0.0,
    "precision": "bfloat16",
    "strategy": "mirrored",
    "synchronized_batch_norm": True,
    "evaluate_every": 3,
    "seed": 4294967295,
}
_ON_DISK = {
    "dataset": "tfrecord:some/train-*",
    "distortion": "resized_crop",
    "skip_bad_images": True,
}
_BRANCHED = {"method": "one", "students": ("resnet14",), "branches": 5, "ramp_up_epochs": 4}


def _parsed(*arguments):
    values = flags.FlagValues()
    train.define_flags(values)
    values(["kdcl-train", *arguments])
    return values


class FlagsTest(parameterized.TestCase):
    def test_without_flags_the_settings_are_the_defaults(self):
        self.assertEqual(train.settings_from_flags(_parsed()), Settings())

    @parameterized.parameters({}, _UNUSUAL, _BRANCHED, _ON_DISK)
    def test_settings_to_flags_to_flags_txt_to_settings(self, **fields):
        settings = Settings(**fields)
        workdir = Workdir(self.create_tempdir().full_path)
        workdir.record_flags(settings.as_flags())
        values = _parsed(f"--flagfile={workdir.path / 'flags.txt'}")
        again = train.settings_from_flags(values)
        self.assertEqual(again, settings)
        workdir.check_flags(again.as_flags())

    def test_the_unusual_settings_are_all_unlike_the_defaults(self):
        for field in dataclasses.fields(Settings):
            unusual = {**_BRANCHED, **_ON_DISK, **_UNUSUAL}[field.name]
            self.assertNotEqual(unusual, field.default, field.name)

    def test_spaces_in_lists_and_other_ways_to_write_a_number(self):
        values = _parsed("--students=resnet8, wrn_10_1", "--milestones= 3,5", "--learning_rate=1")
        settings = train.settings_from_flags(values)
        self.assertEqual(settings.students, ("resnet8", "wrn_10_1"))
        self.assertEqual(settings.milestones, (3, 5))
        self.assertEqual(settings.as_flags()["learning_rate"], "1.0")

    def test_flagfiles_may_include_others_and_be_overruled(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        base, recipe = folder / "base.flags", folder / "recipe.flags"
        base.write_text("# The pair of the paper.\n--epochs=9\n--seed=3\n")
        recipe.write_text(f"--flagfile={base}\n\n// Its best ensemble.\n--ensemble=naive\n")
        values = _parsed(f"--flagfile={recipe}", "--seed=4")
        settings = train.settings_from_flags(values)
        self.assertEqual((settings.epochs, settings.ensemble, settings.seed), (9, "naive", 4))

    def test_defining_flags_twice_in_a_process_is_fine(self):
        _parsed()
        _parsed()


class DefaultWorkdirTest(absltest.TestCase):
    def test_the_same_flags_find_the_same_folder_and_others_another(self):
        first = train.default_workdir(Settings(ensemble="min_logit"))
        self.assertRegex(first, r"^runs/digits_min_logit_[0-9a-f]{8}$")
        self.assertEqual(first, train.default_workdir(Settings(ensemble="min_logit")))
        self.assertNotEqual(first, train.default_workdir(Settings(ensemble="min_logit", seed=1)))

    def test_a_path_makes_no_folders(self):
        settings = Settings(dataset="folder:a/b c", method="independent")
        self.assertRegex(
            train.default_workdir(settings), r"^runs/folder-a-b-c_independent_[0-9a-f]{8}$"
        )


class ReportTest(absltest.TestCase):
    def test_a_line_a_student_and_where_everything_is(self):
        lines = train.report(_RESULT, pathlib.Path("runs/one")).splitlines()
        self.assertEqual(
            lines,
            [
                (
                    "resnet8: test accuracy 50.00%, top-5 75.00%, 78,042 parameters, "
                    "runs/one/students/resnet8"
                ),
                "ensemble: test accuracy 62.50%",
                "plot: runs/one/accuracy.png; numbers: runs/one/result.json",
            ],
        )


class MainTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = Workdir(self.create_tempdir().full_path)
        self.workdir.record_flags(Settings().as_flags())

    def test_a_complete_run_is_only_told(self):
        self.workdir.write_result(_RESULT)
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            train.main(_parsed(f"--workdir={self.workdir.path}"))
        self.assertEqual(stdout.getvalue(), train.report(_RESULT, self.workdir.path) + "\n")
        self.assertEqual(json.loads((self.workdir.path / "result.json").read_text()), _RESULT)

    def test_a_folder_of_other_flags_is_refused_with_each_of_them(self):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as caught:
            train.main(_parsed(f"--workdir={self.workdir.path}", "--seed=1", "--noinvariant"))
        self.assertEqual(caught.exception.code, 1)
        self.assertRegex(
            stderr.getvalue(),
            r"^.*was made with other flags: --invariant=true \(now false\), --seed=0 \(now 1\); "
            "pass those, or another --workdir\n$",
        )


class ImportTest(absltest.TestCase):
    def test_settings_need_no_tensorflow(self):
        code = (
            "import sys; from kdcl_tf.training.settings import Settings; Settings();"
            "sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
        )
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)


if __name__ == "__main__":
    absltest.main()
