"""Tests of kdcl_tf.detection.coco.scorer."""

import contextlib
import io
import json
import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from pycocotools import coco as coco_lib, cocoeval

from kdcl_tf.detection.coco import folder as coco_folder, scorer as coco_scorer
from kdcl_tf.detection.scenes import masks
from tests import coco_files

# In the order of COCO's own summary.
NAMES = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip


def add_truth(scorer, scenes, masked, shift=0.0, keep=lambda number: True):
    """Adds all annotations but crowds as detections, moved to the right by some pixels."""
    for index in range(len(scenes)):
        height, width = (int(side) for side in scenes.sizes[index])
        where = scenes.annotations(index)
        numbers = [
            each
            for each in range(where.start, where.stop)
            if not scenes.crowds[each] and keep(each)
        ]
        coded = [
            masks.encode(masks.rasterise(scenes.segmentations[each], height, width))
            for each in numbers
        ]
        scorer.add(
            scenes.ids[index],
            scenes.boxes[numbers] + [shift, 0, shift, 0],
            np.linspace(0.2, 0.9, len(numbers)),
            scenes.classes[numbers],
            coded if masked else None,
        )


class CocoScorerTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.create_tempdir().full_path
        coco_files.write(self.root)
        self.scenes = coco_folder.read(self.root, masks=True).train


class ResultTest(CocoScorerTestCase):
    @parameterized.parameters(False, True)
    def test_perfect_detections(self, masked):
        scorer = coco_scorer.CocoScorer(self.scenes, masked)
        add_truth(scorer, self.scenes, masked)
        kinds = ("box", "mask") if masked else ("box",)
        # Areas are 251, 600 and 160 square pixels: all small.
        nothing = ("ap_medium", "ap_large", "ar_medium", "ar_large")
        names = (*NAMES, *(f"ap/{name}" for name in self.scenes.class_names))
        expected = {f"{k}_{n}": None if n in nothing else 1.0 for k in kinds for n in names}
        self.assertEqual(scorer.result(), expected)

    def test_perfect_detections_in_real_scenes(self):
        scenes = coco_folder.read(coco_files.mini(), masks=True).train
        scorer = coco_scorer.CocoScorer(scenes, masks=True)
        add_truth(scorer, scenes, True)
        found = scorer.result()
        for kind in ("box", "mask"):
            figures = {name: found[f"{kind}_{name}"] for name in NAMES}
            # Some images have more than 1 object of a class, and more than 10.
            few, some = figures.pop("ar1"), figures.pop("ar10")
            self.assertEqual(set(figures.values()), {1.0})
            self.assertTrue(0.5 < few < some < 1.0, (few, some))
        for name in scenes.class_names:
            self.assertAlmostEqual(found[f"mask_ap/{name}"], 1.0, msg=name)

    def test_of_a_class_without_objects_there_is_no_figure(self):
        scenes = self.scenes.take([2])
        scorer = coco_scorer.CocoScorer(scenes)
        add_truth(scorer, scenes, False)
        found = scorer.result()
        shown = {"person": None, "car": None, "brush": 1.0}
        self.assertEqual({name: found[f"box_ap/{name}"] for name in shown}, shown)

    def test_a_hand_made_case(self):
        """The only person: 10..40 x 8..28. Boxes moved by 5 overlap in 25 / 35 = 0.714."""
        scorer = coco_scorer.CocoScorer(self.scenes)
        box = self.scenes.boxes[0] + [5, 0, 5, 0]
        scorer.add(1, [box], [0.9], [0])
        found = scorer.result()
        # Of 3 classes one is found, at 5 of the 10 thresholds: 0.50, 0.55 ... 0.70.
        self.assertAlmostEqual(found["box_ap"], 0.5 / 3)
        self.assertAlmostEqual(found["box_ap50"], 1 / 3)
        self.assertEqual(found["box_ap75"], 0.0)

    def test_a_false_detection_that_is_surer_costs_half(self):
        scorer = coco_scorer.CocoScorer(self.scenes)
        where = self.scenes.annotations(2)
        boxes = np.concatenate([self.scenes.boxes[where], [[30, 20, 40, 30]]])
        scorer.add(3, boxes, [0.5, 0.8], [2, 2])
        self.assertAlmostEqual(scorer.result()["box_ap"], 0.5 / 3)

    def test_the_best_100_of_a_class_in_an_image_count(self):
        boxes = np.concatenate([[[30, 20, 40, 30]] * 100, self.scenes.boxes[:1]])
        for other_class, ap50 in ((1, 1 / 3), (0, 0.0)):
            scorer = coco_scorer.CocoScorer(self.scenes)
            scorer.add(1, boxes, [0.9] * 100 + [0.5], [other_class] * 100 + [0])
            self.assertAlmostEqual(scorer.result()["box_ap50"], ap50)

    def test_what_is_in_a_crowd_is_not_counted(self):
        scorer = coco_scorer.CocoScorer(self.scenes)
        person, inside = self.scenes.boxes[0], [16, 30, 24, 38]
        scorer.add(1, [person, inside], [0.5, 0.8], [0, 0])
        self.assertAlmostEqual(scorer.result()["box_ap"], 1 / 3)

    def test_no_detections_and_images_that_were_never_added(self):
        found = coco_scorer.CocoScorer(self.scenes, masks=True).result()
        self.assertEqual({found["box_ap"], found["mask_ap"], found["mask_ar100"]}, {0.0})
        scorer = coco_scorer.CocoScorer(self.scenes)
        scorer.add(2, np.zeros([0, 4]), [], [])
        self.assertEqual(scorer.result()["box_ap50"], 0.0)

    def test_scenes_without_annotations(self):
        scorer = coco_scorer.CocoScorer(self.scenes.take([1]))
        scorer.add(2, [[0, 0, 5, 5]], [0.5], [0])
        self.assertEqual(set(scorer.result().values()), {None})

    def test_nothing_is_printed(self):
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            coco_scorer.CocoScorer(self.scenes, masks=True).result()
        self.assertEqual(told.getvalue(), "")

    def test_result_can_be_asked_for_again(self):
        scorer = coco_scorer.CocoScorer(self.scenes, masks=True)
        add_truth(scorer, self.scenes, True, shift=4)
        self.assertEqual(scorer.result(), scorer.result())


class DetectionsTest(CocoScorerTestCase):
    def test_coco_results(self):
        scorer = coco_scorer.CocoScorer(self.scenes)
        scorer.add(np.int64(3), np.float32([[5, 6, 25.5, 18]]), np.float32([0.25]), np.int32([2]))
        scorer.add(1, [[1, 2, 3, 5]], [0.5], [1])
        found = json.loads(json.dumps(scorer.detections()))
        expected = [
            {"image_id": 1, "category_id": 3, "bbox": [1, 2, 2, 3], "score": 0.5},
            {"image_id": 3, "category_id": 90, "bbox": [5, 6, 20.5, 12], "score": 0.25},
        ]
        self.assertEqual(found, expected)

    def test_masks(self):
        scorer = coco_scorer.CocoScorer(self.scenes, masks=True)
        add_truth(scorer, self.scenes, True)
        found = json.loads(json.dumps(scorer.detections()))
        self.assertEqual(found[0]["segmentation"]["size"], [40, 60])

    def test_figures_are_those_of_pycocotools_from_the_files(self):
        """On real annotations with crowds, of detections that are partly wrong."""
        folder = coco_files.mini()
        scenes = coco_folder.read(folder, masks=True).test
        scorer = coco_scorer.CocoScorer(scenes, masks=True)
        add_truth(scorer, scenes, True, shift=2.5, keep=lambda number: number % 3)
        found = scorer.result()
        with contextlib.redirect_stdout(io.StringIO()):
            truth = coco_lib.COCO(os.path.join(folder, "annotations", "instances_val2017.json"))
            for kind, prefix in (("bbox", "box"), ("segm", "mask")):
                results = json.loads(json.dumps(scorer.detections()))
                for result in results:
                    result.pop("segmentation" if kind == "bbox" else "bbox")
                evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), kind)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
                expected = evaluation.stats
                self.assertAllClose([found[f"{prefix}_{name}"] for name in NAMES], expected)
                self.assertAllInRange(expected, 0.05, 0.95)


class RefusedTest(CocoScorerTestCase):
    @parameterized.parameters(
        ((9, [[0, 0, 1, 1]], [1], [0]), "image_id: expected one of the 3 scenes; got 9"),
        ((1, [[0, 0, 1, 1]], [1, 1], [0]), r"expected equal lengths; got \[1, 2, 1\]"),
        ((1, [[0, 0, 1, 1]], [1], [3]), "classes: expected 0..2; got 3..3"),
        ((1, [[0, 0, 1, 1]], [1], [-1]), "classes: expected 0..2; got -1..-1"),
        ((1, [[0, 0, 1, np.nan]], [1], [0]), "expected finite values"),
        ((1, [[0, 0, 1, 1]], [np.inf], [0]), "expected finite values"),
        ((1, [[0, 0, 1, 1]], [1], [0], [{}]), "masks: expected none, as in __init__; got some"),
        ((1, [[0, 0, 1, 1]], [1], [0], []), r"expected equal lengths; got \[1, 1, 1, 0\]"),
    )
    def test_detections(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            coco_scorer.CocoScorer(self.scenes).add(*arguments)

    def test_an_image_twice(self):
        scorer = coco_scorer.CocoScorer(self.scenes)
        scorer.add(1, [], [], [])
        with self.assertRaisesRegex(ValueError, "image_id: expected each image once; got 1 again"):
            scorer.add(1, [], [], [])

    def test_masks_that_were_not_loaded(self):
        scenes = coco_folder.read(self.root, masks=False).train
        with self.assertRaisesRegex(ValueError, "masks: expected scenes with masks; got some"):
            coco_scorer.CocoScorer(scenes, masks=True)


if __name__ == "__main__":
    tf.test.main()
