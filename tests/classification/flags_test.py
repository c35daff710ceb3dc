"""Tests of kdcl_tf.classification.flags."""

import dataclasses
import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.classification import flags as classification_flags
from kdcl_tf.classification.settings import Settings
from kdcl_tf.training.workdir import Workdir

_UNUSUAL = {
    "method": "offline_distillation",
    "teacher": "runs/a teacher/students=old",
    "match_classes": "position",
    "students": ("resnet8", "resnet8", "wrn_10_1"),
    "ensemble": "linear",
    "temperature": 3.5,
    "distillation_weight_schedule": "0:0,20:1",
    "distillation_weight": 0.1,
    "invariant": False,
    "dataset": "folder:my photos/of=2020",
    "test_share": 0.25,
    "image_size": 24,
    "cutout": True,
    "cutout_size": 4,
    "holdout_per_class": 2,
    "train_per_class": 0,
    "epochs": 7,
    "batch_size": 5,
    "accumulation_steps": 2,
    "optimizer": "lion",
    "optimizer_arguments": "beta_1=0.5,clipnorm=1.0",
    "learning_rate": 1e-7,
    "schedule": "cosine",
    "milestones": (),
    "warmup_epochs": 2,
    "warmup_learning_rate": 0.3,
    "momentum": 0.1,
    "weight_decay": 0.0,
    "precision": "bfloat16",
    "jit_compile": True,
    "strategy": "mirrored",
    "synchronized_batch_norm": True,
    "evaluate_every": 3,
    "seed": 4294967295,
}
_ON_DISK = {
    "dataset": "tfrecord:some/train-*",
    "tfrecord_image_key": "jpeg",
    "tfrecord_label_key": "class",
    "distortion": "resized_crop",
    "storage": "disk",
    "skip_bad_images": True,
    "validation_share": 0.1,
    "class_weights": "balanced",
    "keep": "best",
    "keep_by": "wrn_10_2",
    "apply_exif_orientation": False,
    "max_image_megabytes": 12.5,
    "max_image_megapixels": 1e3,
}
_GENERAL = {
    "ensemble": "general",
    "general_error": "target",
    "general_constraint": "none",
}
_INITIAL = {
    "students": ("resnet8", "keras:MobileNetV2"),
    "initial_weights": ("resnet8=runs/one=two/students/resnet8", "keras:MobileNetV2=imagenet"),
    "initial_normalization": ("resnet8=caffe",),
    "train_head_epochs": 2,
    "freeze_batch_norm": True,
    "learning_rate": "resnet8=0.1,keras:MobileNetV2=0.025",
}
_BRANCHED = {"method": "one", "students": ("resnet14",), "branches": 5, "ramp_up_epochs": 4}


def _parsed(*arguments):
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    values(["kdcl-train", *arguments])
    return values


class FlagsTest(parameterized.TestCase):
    def test_without_flags_the_settings_are_the_defaults(self):
        self.assertEqual(classification_flags.settings_from_flags(_parsed()), Settings())

    @parameterized.parameters({}, _UNUSUAL, _GENERAL, _BRANCHED, _ON_DISK, _INITIAL)
    def test_settings_to_flags_to_flags_txt_to_settings(self, **fields):
        settings = Settings(**fields)
        workdir = Workdir(self.create_tempdir().full_path)
        workdir.record(settings)
        values = _parsed(f"--flagfile={workdir.path / 'flags.txt'}")
        again = classification_flags.settings_from_flags(values)
        self.assertEqual(again, settings)
        workdir.check(again)

    @parameterized.parameters("general", "min_logit")
    def test_a_run_from_before_a_flag_had_its_default(self, ensemble):
        settings = Settings(ensemble=ensemble)
        newer = ("general_error", "general_constraint")
        workdir = Workdir(self.create_tempdir().full_path)
        workdir.record(settings)
        lines = (workdir.path / "flags.txt").read_text().splitlines(keepends=True)
        older = [line for line in lines if line[2:].partition("=")[0] not in newer]
        self.assertLen(older, len(lines) - len(newer))
        (workdir.path / "flags.txt").write_text("".join(older))
        values = _parsed(f"--flagfile={workdir.path / 'flags.txt'}")
        self.assertEqual(classification_flags.settings_from_flags(values), settings)
        workdir.check(settings)
        if ensemble == "general":
            other = Settings(ensemble=ensemble, general_error="target")
            with self.assertRaisesRegex(ValueError, r"--general_error=vector \(now target\);"):
                workdir.check(other)

    def test_a_run_from_before_shares_and_kept_epochs_had_none(self):
        settings = Settings(epochs=9, milestones=(3,))
        workdir = Workdir(self.create_tempdir().full_path)
        workdir.record(settings)
        newer = ("test_share", "validation_share", "class_weights", "keep", "keep_by")
        lines = (workdir.path / "flags.txt").read_text().splitlines(keepends=True)
        older = [line for line in lines if line[2:].partition("=")[0] not in newer]
        self.assertLen(older, len(lines) - len(newer))
        (workdir.path / "flags.txt").write_text("".join(older))
        workdir.check(settings)
        with self.assertRaisesRegex(ValueError, r"--class_weights=none \(now balanced\);"):
            workdir.check(dataclasses.replace(settings, class_weights="balanced"))

    def test_the_unusual_settings_are_all_unlike_the_defaults(self):
        for field in dataclasses.fields(Settings):
            unusual = {**_GENERAL, **_BRANCHED, **_ON_DISK, **_INITIAL, **_UNUSUAL}[field.name]
            self.assertNotEqual(unusual, field.default, field.name)

    def test_spaces_in_lists_and_other_ways_to_write_a_number(self):
        values = _parsed("--students=resnet8, wrn_10_1", "--milestones= 3,5", "--learning_rate=1")
        settings = classification_flags.settings_from_flags(values)
        self.assertEqual(settings.students, ("resnet8", "wrn_10_1"))
        self.assertEqual(settings.milestones, (3, 5))
        self.assertEqual(settings.as_flags()["learning_rate"], "1.0")

    def test_milestones_that_are_not_given_are_those_of_the_epochs(self):
        settings = classification_flags.settings_from_flags(_parsed("--epochs=12"))
        self.assertEqual(settings.milestones, (6, 9))
        settings = classification_flags.settings_from_flags(_parsed("--epochs=12", "--milestones="))
        self.assertEqual(settings.milestones, ())

    def test_flagfiles_may_include_others_and_be_overruled(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        base, recipe = folder / "base.flags", folder / "recipe.flags"
        base.write_text("# The pair of the paper.\n--epochs=9\n--seed=3\n")
        recipe.write_text(f"--flagfile={base}\n\n// Its best ensemble.\n--ensemble=naive\n")
        values = _parsed(f"--flagfile={recipe}", "--seed=4")
        settings = classification_flags.settings_from_flags(values)
        self.assertEqual((settings.epochs, settings.ensemble, settings.seed), (9, "naive", 4))

    def test_a_tpu_is_by_default_that_of_the_machine(self):
        self.assertEqual(_parsed()["tpu"].value, "local")

    def test_defining_flags_twice_in_a_process_is_fine(self):
        first, second = _parsed("--seed=1"), _parsed("--seed=2")
        self.assertEqual((first["seed"].value, second["seed"].value), (1, 2))


class DefaultWorkdirTest(absltest.TestCase):
    def test_the_same_flags_find_the_same_folder_and_others_another(self):
        first = classification_flags.default_workdir(Settings(ensemble="min_logit"))
        self.assertRegex(first, r"^runs/digits_min_logit_[0-9a-f]{8}$")
        self.assertEqual(
            first, classification_flags.default_workdir(Settings(ensemble="min_logit"))
        )
        self.assertNotEqual(
            first, classification_flags.default_workdir(Settings(ensemble="min_logit", seed=1))
        )

    def test_a_path_makes_no_folders(self):
        settings = Settings(dataset="folder:a/b c", method="independent")
        self.assertRegex(
            classification_flags.default_workdir(settings),
            r"^runs/folder-a-b-c_independent_[0-9a-f]{8}$",
        )


if __name__ == "__main__":
    absltest.main()
