"""Tests of tools/drawing/detections.py."""

import json

from absl.testing import absltest
from drawing import detections, scenes


class DetectionsTest(absltest.TestCase):
    def test_overlap_by_hand(self):
        self.assertEqual(detections.overlap((0, 0, 2, 2), (0, 0, 2, 2)), 1.0)
        self.assertEqual(detections.overlap((0, 0, 2, 2), (1, 0, 2, 2)), 1 / 3)
        self.assertEqual(detections.overlap((0, 0, 2, 2), (5, 0, 2, 2)), 0.0)

    def test_the_run_is_of_the_scenes_that_are_drawn(self):
        listed = json.loads((detections.RUN / "detections.json").read_text())
        first, count = scenes.SPLITS["val2017"]
        images = {each["image_id"] for each in listed}
        self.assertContainsSubset(images, range(first + 1, first + count + 1))
        log = (detections.RUN / "log.jsonl").read_text().splitlines()
        result = json.loads((detections.RUN / "result.json").read_text())
        self.assertLen(log, result["epochs"])
        self.assertEqual(json.loads(log[-1])["test_box_ap"], result["test_box_ap"])

    def test_most_objects_of_the_scenes_that_are_shown_are_found(self):
        """Boxes of the right kind that overlap the drawn ones by more than half."""
        hits, objects = 0, 0
        first, count = scenes.SPLITS["val2017"]
        for seed in range(first, first + count):
            _, drawn = scenes.scene(seed)
            found = [
                (scenes.KINDS[each["category_id"] - 1], each["bbox"])
                for each in detections.found(seed)
            ]
            objects += len(drawn)
            hits += sum(
                any(kind == other and detections.overlap(scenes.box_of(polygon), box) > 0.5
                    for other, box in found)
                for kind, polygon in drawn
            )  # fmt: skip
        self.assertGreater(hits / objects, 0.5)


if __name__ == "__main__":
    absltest.main()
