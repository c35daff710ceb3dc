"""Tests of tools/drawing/scenes.py."""

import json
import pathlib

import numpy as np
from absl.testing import absltest
from drawing import scenes


class ScenesTest(absltest.TestCase):
    def test_a_scene_is_a_function_of_its_seed(self):
        one, again = scenes.scene(3), scenes.scene(3)
        np.testing.assert_array_equal(one[0], again[0])
        self.assertEqual(one[1], again[1])
        self.assertFalse(np.array_equal(one[0], scenes.scene(4)[0]))

    def test_objects_are_inside_and_apart(self):
        for seed in range(20):
            image, objects = scenes.scene(seed)
            self.assertEqual((image.shape, image.dtype), ((scenes.SIDE, scenes.SIDE, 3), np.uint8))
            self.assertBetween(len(objects), 1, 4)
            boxes = np.array([scenes.box_of(polygon) for _, polygon in objects])
            self.assertGreaterEqual(boxes[:, :2].min(), 0)
            self.assertLessEqual((boxes[:, :2] + boxes[:, 2:]).max(), scenes.SIDE)
            for number, (x, y, width, height) in enumerate(boxes):
                others = np.delete(boxes, number, 0)
                meets = (
                    (others[:, 0] < x + width) & (x < others[:, 0] + others[:, 2])
                    & (others[:, 1] < y + height) & (y < others[:, 1] + others[:, 3])
                )  # fmt: skip
                self.assertFalse(meets.any())

    def test_a_box_holds_its_polygon(self):
        self.assertEqual(scenes.box_of((1, 2, 5, 3, 4, 8)), (1.0, 2.0, 4.0, 6.0))

    def test_the_folder_is_one_of_coco(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        scenes.write(folder)
        for split, (_, count) in scenes.SPLITS.items():
            content = json.loads((folder / "annotations" / f"instances_{split}.json").read_text())
            self.assertLen(content["images"], count)
            self.assertLen(list((folder / split).iterdir()), count)
            for each in content["annotations"]:
                self.assertLessEqual(each["area"], each["bbox"][2] * each["bbox"][3] + 1e-6)
                self.assertGreater(each["area"], 10)


if __name__ == "__main__":
    absltest.main()
