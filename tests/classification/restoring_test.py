"""Tests of kdcl_tf.classification.restoring, on a run of two epochs."""

import dataclasses
import json
import pathlib
import shutil

import tensorflow as tf

from kdcl_tf.classification import restoring
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.files import identity, moments
from kdcl_tf.serving import cards
from kdcl_tf.training import manifests
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import class_folder

_SETTINGS = Settings(
    students=("resnet8",),
    method="independent",
    image_size=8,
    train_per_class=2,
    holdout_per_class=1,
    batch_size=16,
    epochs=2,
    precision="float32",
)


class RestoringTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = class_folder.make(cls) / "run"
        cls.session = Session(Classification(_SETTINGS), Workdir(cls.run_folder))
        cls.session.train()

    def _copy(self, **progress):
        """A copy of the run whose newest checkpoint tells another progress."""
        folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        shutil.copytree(self.run_folder, folder)
        newest = manifests.saved(folder / "checkpoints")[-1]
        facts = manifests.sealed_facts(newest)
        facts["progress"].update(progress)
        (newest / manifests.NAME).write_text(json.dumps(identity.sealed(facts)))
        return folder

    def test_settings_are_those_that_the_run_was_given(self):
        self.assertEqual(restoring.settings_of(self.run_folder), _SETTINGS)

    def test_students_are_those_of_the_end_with_their_accuracy(self):
        found, students = restoring.restore(self.run_folder, _SETTINGS)
        trained = self.session.task.model.students["resnet8"]
        for value, expected in zip(
            students["resnet8"].get_weights(), trained.get_weights(), strict=True
        ):
            self.assertAllEqual(value, expected)
        card = found["resnet8"].more
        logged = Workdir(self.run_folder).log[-1]["test_resnet8_accuracy"]
        self.assertEqual((card["epoch"], card["test_accuracy"]), (2, logged))
        # As the run itself has told it.
        exported = cards.read(cards.path_of(self.run_folder / "students" / "resnet8"))
        self.assertEqual((card["kept"], exported["kept"]), ("the last epoch", "the last epoch"))
        restoring.check_epoch(self.run_folder, self.run_folder / "students", found)

    def test_the_accuracy_is_the_checkpoints_whatever_log_lies_beside_it(self):
        folder = self._copy()
        log = Workdir(folder).log
        lines = [{**each, "test_resnet8_accuracy": 0.125} for each in log]
        Workdir(folder).write_log(lines)
        found, _ = restoring.restore(folder, _SETTINGS)
        self.assertEqual(found["resnet8"].more["test_accuracy"], log[-1]["test_resnet8_accuracy"])

    def test_students_within_an_epoch_have_no_accuracy(self):
        found, _ = restoring.restore(self._copy(step=1), _SETTINGS)
        more = found["resnet8"].more
        self.assertNotIn("test_accuracy", more)
        # Nor do they pass for those of the epoch before.
        self.assertEqual((more["epoch"], more[moments.STEP], more.get("kept")), (2, 1, None))
        within, _ = restoring.restore(self._copy(epoch=1, step=1), _SETTINGS)
        self.assertEqual(
            (within["resnet8"].more["epoch"], within["resnet8"].more[moments.STEP]), (1, 1)
        )

    def test_students_of_all_steps_of_an_epoch_that_was_not_evaluated_are_of_that_epoch(self):
        more = restoring.restore(self._copy(epoch=1, step=2), _SETTINGS)[0]["resnet8"].more
        self.assertEqual((more["epoch"], more.get(moments.STEP)), (2, None))

    def test_images_that_a_run_that_goes_on_has_left_out_are_told(self):
        folder = self._copy(left_out={"train": 3})
        (folder / "result.json").unlink()
        found, _ = restoring.restore(folder, _SETTINGS)
        self.assertEqual(found["resnet8"].more["left_out"], {"train": 3})

    def test_the_best_epoch_is_told_with_the_images_that_chose_it(self):
        settings = dataclasses.replace(_SETTINGS, keep="best", validation_share=0.5)
        facts = {"epoch": 1, "identity": {"data": {"validation": {"images": 9}}}}
        for more, count in (({}, 9), ({"left_out": {"validation": 2, "test": 3}}, 7)):
            expected = f"the epoch with the best accuracy of resnet8 on {count} validation images"
            for is_complete, end in ((True, ""), (False, " so far")):
                told = restoring._with_reason({**facts, **more}, settings, 1, is_complete)["kept"]
                self.assertEqual(told, expected + end)
        # Before the first epoch has been evaluated there is no best one.
        self.assertNotIn("kept", restoring._with_reason(facts, settings, 0, False))

    def test_an_earlier_epoch_goes_elsewhere(self):
        folder = self._copy(epoch=1)
        found, _ = restoring.restore(folder, _SETTINGS)
        self.assertNotIn("kept", found["resnet8"].more)
        restoring.check_epoch(folder, folder / "models", found)
        with self.assertRaisesRegex(ValueError, "expected a checkpoint of epoch 2, .* got epoch 1"):
            restoring.check_epoch(folder, folder / "students", found)
        folder = self._copy(step=1)
        found, _ = restoring.restore(folder, _SETTINGS)
        with self.assertRaisesRegex(ValueError, "got epoch 2 and 1 step of the next: restore"):
            restoring.check_epoch(folder, folder / "students", found)

    def test_what_is_no_run_is_refused(self):
        empty = pathlib.Path(self.create_tempdir().full_path)
        for folder, told in ((empty, "has no checkpoint"), (empty / "no", "is not there")):
            with self.assertRaisesRegex(ValueError, f"expected the folder of a run .*{told}"):
                restoring.settings_of(folder)


if __name__ == "__main__":
    tf.test.main()
