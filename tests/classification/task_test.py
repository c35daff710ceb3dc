"""Tests of kdcl_tf.classification.task."""

import dataclasses
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf import KDCL, data
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.data import bad_images
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.replicas import Replicas
from tests import image_files

_SETTINGS = Settings(
    students=("resnet8", "wrn_10_1"),
    image_size=8,
    train_per_class=4,
    holdout_per_class=1,
    batch_size=16,
    ensemble="general",
)


class ClassificationTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.strategy = tf.distribute.get_strategy()
        cls.built = Classification(_SETTINGS)
        cls.built.load()
        cls.built.build(cls.strategy)
        cls.dataset, cls.cohort = cls.built.dataset, cls.built.model

    def task(self, settings=_SETTINGS):
        task = Classification(settings)
        for name in ("dataset", "views", "model", "strategy"):
            setattr(task, name, getattr(self.built, name))
        return task

    def test_an_epoch_is_that_of_the_views(self):
        task = self.task()
        self.assertEqual(task.images, 40)
        self.assertEqual(task.steps_per_epoch(16), 3)
        sizes = [len(labels) for _, labels in task.epoch(0, 16, 1, data.Share())]
        self.assertEqual(sizes, [16, 8])

    def test_only_images_in_memory_may_leave_a_replica_without_any(self):
        task = self.task(dataclasses.replace(_SETTINGS, accumulation_steps=2))
        self.assertEqual(task.least_images, 2)
        with mock.patch.object(strategies, "takes_empty_batches", return_value=True):
            self.assertEqual(task.least_images, 0)
            task.dataset = dataclasses.replace(self.dataset, train=range(40))
            self.assertEqual(task.least_images, 1)

    def test_images_are_checked_before_training_unless_bad_ones_are_skipped(self):
        split = image_files.split(self.create_tempdir().full_path, {"a.jpg": b"<html>"})
        for settings, fields in (
            (_SETTINGS, {"test": split}),
            (_SETTINGS, {"held_out": split}),
            (dataclasses.replace(_SETTINGS, ensemble="min_logit"), {"validation": split}),
        ):
            task = self.task(settings)
            task.dataset = dataclasses.replace(self.dataset, **fields)
            with self.assertRaisesRegex(bad_images.BadImageError, "image 'a.jpg' of class"):
                task.check_images(data.Share())
            task.settings = dataclasses.replace(settings, skip_bad_images=True)
            task.check_images(data.Share())
        task = self.task(dataclasses.replace(_SETTINGS, ensemble="min_logit"))
        task.dataset = dataclasses.replace(self.dataset, held_out=split)
        task.check_images(data.Share())

    def test_images_weigh_by_the_size_of_their_class(self):
        settings = Settings(**{**vars(_SETTINGS), "class_weights": "balanced"})
        task = self.task(settings)
        train = self.dataset.train
        # Of the 40 images, those of the digits 5 and above are taken to be of one class.
        task.dataset = dataclasses.replace(
            self.dataset, train=dataclasses.replace(train, labels=np.minimum(train.labels, 5))
        )
        task.views = data.create_views(task.dataset, settings.student_names, 0)
        for _, labels, weights in task.epoch(0, 16, 0, data.Share()):
            expected = np.where(labels < 5, 40 / (6 * 4), 40 / (6 * 20))
            self.assertAllClose(weights, expected)
            self.assertEqual(task.left((None, labels, weights)), len(labels))

    def test_the_plan_names_images_steps_and_students(self):
        self.assertEqual(
            self.task().plan(),
            [
                "plan: 40 training, 360 test, 10 held-out images; 3 steps of 16 images an epoch, 100 epochs",
                "student resnet8: 78,042 parameters, 781,952 multiply-adds per image",
                "student wrn_10_1: 77,850 parameters, 781,952 multiply-adds per image",
            ],
        )

    def test_the_plan_tells_that_one_student_has_no_other(self):
        settings = dataclasses.replace(_SETTINGS, students=("resnet8",))
        task = self.task(settings)
        task.model = KDCL({"resnet8": self.cohort.students["resnet8"]})
        self.assertRegex(task.plan()[-1], "^one student alone: its soft target is its own")
        task.settings = dataclasses.replace(settings, method="independent")
        self.assertStartsWith(task.plan()[-1], "student resnet8: ")

    def test_the_student_with_a_bad_cross_entropy_is_named(self):
        nan = float("nan")
        task = self.task()
        self.assertEqual(task.diverged([1.0, nan, nan, nan]), "the loss of student wrn_10_1")
        self.assertEqual(task.diverged([1.0, nan, 1.0, 1.0]), "the loss of student resnet8")
        self.assertEqual(task.diverged([1.0] * 4), "the loss of student (regularisation)")

    def test_variables_have_owners(self):
        (first, *_), optimizer = self.cohort.students["resnet8"].variables, self.cohort.optimizer
        self.assertEqual(self.task().owner(first), " of student resnet8")
        self.assertEqual(self.task().owner(optimizer.iterations), "")

    def test_weights_are_renewed_after_an_epoch_for_general_alone(self):
        replicas = Replicas(self.strategy, self.cohort)
        weights = self.task().end_epoch(replicas)
        self.assertEqual(list(weights), ["general_weight_resnet8", "general_weight_wrn_10_1"])
        self.assertAllClose(sum(weights.values()), 1.0)
        naive = Settings(**{**_SETTINGS.__dict__, "ensemble": "naive"})
        self.assertEqual(self.task(naive).end_epoch(replicas), {})

    def test_a_summary_names_students_and_is_empty_without_an_evaluation(self):
        record = {"test_resnet8_accuracy": 0.5, "test_wrn_10_1_accuracy": 0.25}
        self.assertEqual(self.task().summary(record), "test accuracy resnet8 50.0%, wrn_10_1 25.0%")
        self.assertEqual(self.task().summary({"epoch": 1}), "")


if __name__ == "__main__":
    tf.test.main()
