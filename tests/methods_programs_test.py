"""Tests of kdcl-train with branches and with a teacher."""

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving
from kdcl_tf.classification import restoring
from kdcl_tf.classification.task import Classification
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import class_folder, in_process

_SMALL = (
    "--students=resnet8",
    "--image_size=8",
    "--train_per_class=4",
    "--holdout_per_class=0",
    "--ensemble=naive",
    "--batch_size=16",
    "--epochs=3",
    "--milestones=2",
)


def _train(workdir, *more):
    return in_process.run("train", *_SMALL, f"--workdir={workdir}", *more)


@pytest.mark.slow
class BranchesAndTeachersTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.runs = {
            method: _train(cls.folder / method, f"--method={method}") for method in ("one", "clnn")
        }

    @parameterized.parameters(("one", 3), ("clnn", 4))
    def test_a_branch_exported_alone_is_the_branch_inside(self, method, branches):
        self.assertEqual(self.runs[method].returncode, 0, self.runs[method].stderr)
        workdir = self.folder / method
        task = Classification(restoring.settings_of(workdir))
        # Restores the newest checkpoint.
        Session(task, Workdir(workdir))
        cohort, images = task.model, task.dataset.test.images[:20]
        views = task.dataset.normalization.apply(images)
        inside = [each.numpy() for each in cohort(views).values()]
        names = ["resnet8", *(f"resnet8_{number}" for number in range(2, branches + 1))]
        self.assertEqual(list(cohort.students), names)
        for name, wanted in zip(names, inside, strict=True):
            predict, card = serving.load_student(workdir / "students" / name)
            self.assertAllClose(predict(images)["logits"], wanted, atol=1e-5)
            self.assertEqual(card["student"], name)
        self.assertGreater(np.abs(inside[0] - inside[1]).max(), 1e-3)

    def test_a_branch_teaches_and_a_run_of_several_asks_which(self):
        teacher = self.folder / "one" / "students" / "resnet8_2"
        method = "--method=offline_distillation"
        taught = _train(self.folder / "taught", method, f"--teacher={teacher}")
        self.assertEqual(taught.returncode, 0, taught.stderr)
        self.assertIn("resnet8: test accuracy", taught.stdout)
        for wrong, message in (
            (self.folder / "one", "a run of 3: choose one of "),
            (self.folder / "none", "expected an exported student as the teacher"),
        ):
            refused = _train(self.folder / "refused", method, f"--teacher={wrong}")
            self.assertEqual(refused.returncode, 1)
            self.assertIn(message, refused.stderr)
            self.assertEqual(refused.stderr.count("\n"), 1)

    def test_a_teacher_for_other_classes_or_images_is_refused(self):
        teacher = f"--teacher={self.folder / 'one' / 'students' / 'resnet8'}"
        refused = _train(
            self.folder / "larger", "--method=offline_distillation", teacher, "--image_size=16"
        )
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(
            refused.stderr,
            r"expected a --teacher of images of shape \[16, 16, 3\], those of digits; got one of \[8, 8, 3\]",
        )


if __name__ == "__main__":
    tf.test.main()
