"""Tests of kdcl_tf.detection.settings."""

import dataclasses

import tensorflow as tf
from absl.testing import absltest, parameterized

from kdcl_tf.detection.model import regions
from kdcl_tf.detection.model.matching import NEGATIVE, POSITIVE
from kdcl_tf.detection.model.sampling import sample
from kdcl_tf.detection.settings import DetectionSettings


class DetectionSettingsTest(parameterized.TestCase):
    def test_milestones_that_are_not_given_are_at_the_recipes_shares_of_the_epochs(self):
        self.assertEqual(DetectionSettings(epochs=7).milestones, (4, 6))
        self.assertEqual(DetectionSettings(epochs=7, milestones=(2,)).milestones, (2,))

    def test_the_defaults_are_the_papers(self):
        settings = DetectionSettings()
        self.assertEqual((settings.epochs, settings.milestones), (14, (9, 12)))
        self.assertEqual((settings.learning_rate, settings.weight_decay), (0.04, 1e-4))
        self.assertEqual((settings.batch_size, settings.momentum), (4 * 8, 0.9))
        self.assertTrue(settings.synchronized_batch_norm)
        self.assertEqual((settings.short_side, settings.long_side), (800, 1333))

    def test_masks(self):
        self.assertFalse(DetectionSettings(detector="faster").has_masks)
        self.assertTrue(DetectionSettings(detector="mask").has_masks)

    @parameterized.parameters("step", "cosine", "constant")
    def test_a_warm_up_that_the_run_does_not_end_is_told_once(self, schedule):
        settings = DetectionSettings(warmup_steps=500, schedule=schedule)
        # 14 epochs of 4 steps, the last of which has 55/500 of the rate.
        told = (
            "the run ends after 56 steps, within the warm-up of 500: the learning rate gets from 0 to "
            "0.0044, and follows no --schedule: pass a shorter warm-up to a new --workdir"
        )
        self.assertEqual(settings.remarks(4), [told])
        self.assertLen(settings.remarks(500 // 14), 1)
        self.assertEmpty(settings.remarks(100))

    def test_flags_are_text(self):
        flags = DetectionSettings(learning_rate=1, milestones=(3, 5)).as_flags()
        self.assertEqual(flags["learning_rate"], "1.0")
        self.assertEqual(flags["milestones"], "3,5")
        self.assertEqual(flags["flip"], "true")

    def test_named_files(self):
        names = ("train_images", "train_annotations", "validation_images", "validation_annotations")
        settings = DetectionSettings(dataset="coco:x", **{name: name for name in names})
        for name in names:
            self.assertEqual(getattr(settings.named_files, name), name)
        self.assertFalse(DetectionSettings().named_files)

    @parameterized.parameters(
        ({"detector": "yolo"}, "detector of faster, mask; got yolo"),
        ({"long_side": 700}, "long_side.* at least 800"),
        ({"short_side": 0}, "short_side to be 1 or more; got 0"),
        ({"regions_per_image": 3}, "to be 4 or more, of which a quarter may be of objects; got 3"),
        ({"strategy": "tpu"}, "expected one, mirrored or multi_worker; got tpu"),
        ({"strategy": "parameter_server"}, "Keras 3 does not support parameter servers"),
        ({"backbone": "resnet19"}, "backbone=resnet19 is neither a path nor a student"),
        ({"backbone": "keras:ResNet50V2"}, "expected --feature_layers"),
        ({"architecture": "resnet18"}, "architecture=resnet18: expected a backbone that is a file"),
        ({"backbone_normalization": "bgr"}, "backbone_normalization of tf, caffe, torch; got bgr"),
        (
            {"backbone_normalization": "tf"},
            "backbone_normalization=tf: .*; got resnet18, of which that is known: leave it out",
        ),
        (
            {"backbone_normalization": "tf", "backbone": "BARE", "initial_weights": "gone/run"},
            "backbone_normalization=tf has no effect with initial_weights",
        ),
        ({"dataset": "cifar100"}, "data set: expected coco:PATH, .*; got 'cifar100'"),
        ({"epochs": 0}, "epochs to be 1 or more; got 0"),
        ({"first_images": -1}, "first_images.* 0 or more"),
        ({"accumulation_steps": 33}, "accumulation_steps.* from 1 to batch_size, 32"),
        ({"clip_norm": -1}, "clip_norm.* 0 or more"),
        (
            {"train_annotations": "a.json"},
            "expected coco:PATH, as files .* are named; got 'coco/2017'",
        ),
        ({"dataset": "coco:x", "train_images": "y"}, "train_images=y: expected train_annotations"),
        ({"evaluate_on": "val"}, "evaluate_on of test, train; got val"),
    )
    def test_refused(self, fields, message):
        if fields.get("backbone") == "BARE":
            fields = {**fields, "backbone": self.create_tempfile("a.keras").full_path}
        with self.assertRaisesRegex(ValueError, message):
            DetectionSettings(**fields).check_sources()

    def test_the_fewest_regions_have_one_of_an_object(self):
        few = DetectionSettings(regions_per_image=4).regions_per_image
        labels = tf.constant([[POSITIVE] * 9 + [NEGATIVE] * 9])
        indices, _ = sample(labels, tf.zeros([1, 2], tf.int64), few, regions.POSITIVE_FRACTION)
        self.assertEqual(int(tf.math.count_nonzero(indices < 9)), 1)

    def test_sources_may_be_gone_once_a_run_is_complete(self):
        settings = DetectionSettings(backbone="gone/student.keras", initial_weights="gone/run")
        with self.assertRaisesRegex(ValueError, "backbone=gone/student.keras is neither a path"):
            settings.check_sources()
        with self.assertRaisesRegex(ValueError, "initial_weights=gone/run: expected an exported d"):
            dataclasses.replace(settings, backbone="resnet18").check_sources()


if __name__ == "__main__":
    absltest.main()
