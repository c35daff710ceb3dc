"""Tests of kdcl_tf.detection.evaluation."""

import json
import pathlib

import tensorflow as tf

from kdcl_tf.data import bad_images
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.detection import evaluation, served
from tests import coco_files, tiny_detector


class EvaluationTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(self.folder / "coco")
        self.model = served.ServedDetector(tiny_detector.exported())

    def scenes(self, split="test"):
        return evaluation.load_scenes(self.model, f"coco:{self.folder / 'coco'}", split)

    def test_figures_and_detections_are_written(self):
        scorer = evaluation.score(self.model, self.scenes())
        result = scorer.result()
        # 12 figures and 3 classes, of boxes and masks.
        self.assertLen(result, 30)
        evaluation.write(scorer, result, self.folder / "figures.json")
        self.assertEqual(json.loads((self.folder / "figures.json").read_text()), result)
        found = json.loads((self.folder / "figures.detections.json").read_text())
        self.assertEqual({each["image_id"] for each in found}, {101, 102, 103})
        self.assertEqual({each["category_id"] for each in found}, {90})
        expected = {"image_id", "category_id", "bbox", "score", "segmentation"}
        self.assertEqual(set(found[0]), expected)

    def test_the_training_images_can_be_scored(self):
        self.assertAllEqual(self.scenes("train").ids, [1, 2, 3])

    def test_a_missing_outline_is_refused_without_the_advice_to_train_another_detector(self):
        content = coco_files.changed(coco_files.instances(101), "annotations", 1, segmentation=[])
        coco_files.write(self.folder / "coco", val=content)
        with self.assertRaisesRegex(ValueError, "1011: .*; got no polygons: mend or remove it$"):
            self.scenes()

    def test_images_of_its_own_set_may_be_as_large_as_in_its_run(self):
        name = f"coco:{self.folder / 'coco'}"
        # The largest of them has 2,400 pixels.
        settings = {"max_image_megabytes": "300.0", "max_image_megapixels": "0.0024"}
        self.model.card = {**self.model.card, "identity": {"settings": settings}, "dataset": name}
        given = {"max_image_megapixels": 0.001}
        for dataset, rules, expected in (
            (name, {}, (300, 0.0024)),
            (name, given, (300, 0.001)),
            ("coco:elsewhere", {}, (256, 160)),
        ):
            self.model.card["dataset"] = dataset
            scenes = evaluation.load_scenes(self.model, name, "test", rules=ImageRules(**rules))
            found = scenes.rules.max_image_megabytes, scenes.rules.max_image_megapixels
            self.assertEqual(found, expected)
        self.model.card["dataset"] = name
        self.assertLen(evaluation.score(self.model, self.scenes()).result(), 30)
        settings["max_image_megapixels"] = "0.0023"
        with self.assertRaisesRegex(bad_images.BadImageError, "raise max_image_megapixels if"):
            evaluation.score(self.model, self.scenes())

    def test_other_classes_are_refused(self):
        categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "cat"}, {"id": 3, "name": "x"}]
        content = coco_files.instances(categories=categories)
        coco_files.write(self.folder / "coco", content, content)
        message = (
            "expected the detector's 3 classes; got 3, of which number 2 is 'cat' and not 'car'"
        )
        with self.assertRaisesRegex(ValueError, message):
            self.scenes()

    def test_classes_may_be_spelled_otherwise_in_the_card(self):
        composed = [*coco_files.CATEGORIES[:2], {"id": 90, "name": "caf\u00e9"}]
        content = coco_files.instances(categories=composed)
        coco_files.write(self.folder / "coco", content, content)
        names = [*tiny_detector.CLASS_NAMES[:2], "cafe\u0301"]
        self.model.card = {**self.model.card, "class_names": names}
        self.assertEqual(self.scenes().class_names, ("person", "car", "caf\u00e9"))

    def test_changes_since_the_run_are_told_of_its_own_scenes(self):
        name = f"coco:{self.folder / 'coco'}"
        splits = {split: self.scenes(split) for split in ("train", "test")}
        first = splits["train"].take(slice(2))
        data = {"train": first.digest(), "test": splits["test"].digest()}
        known = {"data": data, "settings": {"first_images": "2"}}
        self.model.card = {**self.model.card, "identity": known, "dataset": f"{name}/../coco"}
        self.assertTrue(evaluation.is_own(self.model, name))
        self.assertFalse(evaluation.is_own(self.model, f"{name}/other"))
        for split, scenes in splits.items():
            self.assertEqual(evaluation.changes(self.model, split, scenes), "")
        content = coco_files.changed(coco_files.instances(101), "annotations", 1, bbox=[1, 1, 9, 9])
        coco_files.write(self.folder / "coco", val=content)
        told = evaluation.changes(self.model, "test", self.scenes())
        self.assertEqual(told, "test annotations differ")
        known["data"] = {"test": {"images": 0}}
        self.assertEqual(evaluation.changes(self.model, "test", self.scenes()), "")

    def test_a_damaged_image_is_named(self):
        path = self.folder / "coco" / "val2017" / "000000000102.jpg"
        path.write_bytes(path.read_bytes()[:100])
        with self.assertRaisesRegex(bad_images.BadImageError, "000000000102.jpg' of id 102"):
            evaluation.score(self.model, self.scenes())


if __name__ == "__main__":
    tf.test.main()
