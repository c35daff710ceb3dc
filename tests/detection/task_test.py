"""Tests of kdcl_tf.detection.task."""

import json
import pathlib

import tensorflow as tf

from kdcl_tf.data import bad_images, stream
from kdcl_tf.detection.model import backbone_source
from kdcl_tf.detection.scenes.views import SceneViews
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.detection.task import Detection
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.files import identity
from kdcl_tf.serving import cards
from kdcl_tf.training.ownership import checks
from kdcl_tf.training.workdir import Workdir
from tests import coco_files, tiny_detector


class DetectionTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.detector = tiny_detector.detector()
        cls.strategy = tf.distribute.get_strategy()

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(self.folder)
        settings = DetectionSettings(dataset=f"coco:{self.folder}", detector="mask", batch_size=2)
        self.task = Detection(settings)
        self.task.load()
        self.task.model, self.task.strategy = self.detector, self.strategy
        self.task.views = SceneViews(self.task.dataset, 0, 32, 48, masks=True, multiple=8)
        workdir = Workdir(self.folder / "run")
        self.task.announce(workdir)
        self.found = workdir.path / "detections.json"

    def test_an_epoch_is_that_of_the_views(self):
        self.assertEqual((self.task.images, self.task.steps_per_epoch(2)), (3, 2))
        (batch,) = self.task.epoch(0, 2, 1, stream.Share())
        self.assertEqual(batch["images"].shape[0], 1)

    def test_a_batch_of_more_images_than_there_are_is_refused_as_by_the_views(self):
        for of in (self.task, self.task.views):
            with self.assertRaisesRegex(ValueError, "batch_size: expected 1..3, .*; got 4"):
                of.steps_per_epoch(4)

    def test_masks_names_of_images_and_ids_of_categories_are_part_of_the_data(self):
        before = self._digest(coco_files.instances())
        self.assertEqual(identity.data_changes(before, self.task.digest()), "")
        polygon = [[10.0, 8.0, 40.0, 8.0, 40.0, 28.0]]
        for part, position, told, change in (
            ("annotations", 1, "train masks differ", {"segmentation": polygon}),
            ("images", 0, "train names differ", {"file_name": "other.jpg"}),
        ):
            content = coco_files.changed(coco_files.instances(), part, position, **change)
            now = self._digest(content)
            self.assertEqual(identity.data_changes(before, now), told)
        # Brushes of another number, in both files: the classes and their order stay.
        other = [*coco_files.CATEGORIES[:2], {"id": 91, "name": "brush"}]
        now = self._digest(*(coco_files.instances(first, other) for first in (1, 101)))
        told = "train categories are [1, 3, 91]; the run had [1, 3, 90]"
        self.assertStartsWith(identity.data_changes(before, now), told)
        # A run of before these were known goes on.
        for split in ("train", "test"):
            before[split] = {key: before[split][key] for key in ("images", "annotations")}
        self.assertEqual(identity.data_changes(before, now), "")

    def test_validation_images_are_part_of_the_data_only_if_they_are_evaluated(self):
        contents = coco_files.instances(), coco_files.instances(101)
        whole = self._digest(*contents)
        before = self._digest(*contents, evaluate_on="train")
        self.assertEqual(before, {key: whole[key] for key in ("classes", "train")})
        changed = coco_files.changed(contents[1], "annotations", 1, bbox=[1, 1, 9, 9])
        now = self._digest(contents[0], changed, evaluate_on="train")
        self.assertEqual(now, before)
        # A run that an earlier version began goes on.
        self.assertEqual(identity.data_changes(whole, now), "")

    def _digest(self, *contents, **fields):
        folder = self.create_tempdir().full_path
        coco_files.write(folder, *contents)
        settings = DetectionSettings(dataset=f"coco:{folder}", detector="mask", **fields)
        task = Detection(settings)
        task.load()
        return json.loads(json.dumps(task.digest()))

    def test_the_card_beside_a_file_of_the_backbone_is_part_of_the_data(self):
        path = self.folder / "student.keras"
        path.touch()
        settings = DetectionSettings(backbone=str(path))

        def sources():
            task = Detection(settings)
            task.source = backbone_source.find(settings.backbone)
            task._backbone_file = task.source.path
            return task.sources()

        before = sources()
        facts = {"student": "a", "num_classes": 2, "mean": [0.1] * 3, "deviation": [0.2] * 3}
        sums = identity.checksums_of([path])
        written = identity.sealed({**facts, "format": identity.FORMAT, "checksums": sums})
        cards.path_of(path).write_text(json.dumps(written))
        now = sources()
        self.assertEqual(identity.data_changes(now, before), "backbone_card differ")
        settings = settings.as_flags()
        with self.assertRaisesRegex(
            ValueError, "backbone_card differ; restore the card beside the backbone as it was, or"
        ):
            facts = ({"settings": settings, "data": data} for data in (now, before))
            checks._compare_data(self.folder, *facts)
        # A run of an earlier version knew the file alone.
        del now["backbone_card"]
        self.assertEqual(identity.data_changes(now, before), "")

    def test_the_plan(self):
        images, source, network = self.task.plan()
        self.assertEqual(source, "backbone: resnet18 with random weights")
        self.assertEqual(
            images, "plan: 3 training, 3 evaluated images; 2 steps of 2 images an epoch, 14 epochs"
        )
        self.assertEqual(network, f"detector: {self.detector.count_params():,} parameters")

    def test_the_bad_loss_is_named(self):
        nan, fine = float("nan"), [0.0] * 3
        self.assertEqual(
            self.task.diverged([*fine, nan, nan]), "the boxes_loss and masks_loss of the detector"
        )
        self.assertEqual(self.task.diverged([*fine, 0.0, 0.0]), "the loss of the detector")

    def test_every_image_is_judged_and_what_was_found_is_written(self):
        record = self.task.evaluate(Replicas(self.strategy, self.detector))
        # 12 figures and 3 classes, of boxes and masks.
        self.assertLen(record, 30)
        self.assertIn("test_mask_ap/brush", record)
        self.assertBetween(record["test_box_ap"], 0.0, 0.5)
        found = json.loads(self.found.read_text())
        self.assertContainsSubset({each["image_id"] for each in found}, {101, 102, 103})

    def test_each_worker_checks_the_images_that_it_reads_before_training(self):
        name = self.task.dataset.test.images.name(2)
        (file,) = self.folder.rglob(f"val*/{name}")
        file.write_bytes(file.read_bytes()[:-40])
        self.task.check_images(stream.Share(3, 0, 2))
        with self.assertRaisesRegex(bad_images.BadImageError, f"image '{name}' .* is cut short"):
            with bad_images.told_in_one_line():
                self.task.check_images(stream.Share(3, 2, 1))

    def test_a_summary(self):
        record = {"test_box_ap": 0.5, "test_box_ap50": 0.75, "test_mask_ap": None}
        self.assertEqual(self.task.summary(record), "box AP 50.0%, AP50 75.0%")
        self.assertEqual(self.task.summary({"epoch": 1}), "")
        self.assertEqual(self.task.problems(), {})


if __name__ == "__main__":
    tf.test.main()
