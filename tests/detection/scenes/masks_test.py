"""Tests of kdcl_tf.detection.scenes.masks."""

import json

import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.scenes import masks
from tests import coco_files

SQUARE = [[2, 1, 6, 1, 6, 5, 2, 5]]


def _intersection_over_union(one, other):
    return (one & other).sum() / (one | other).sum()


class RasteriseTest(tf.test.TestCase):
    def test_square(self):
        expected = np.zeros([7, 9], np.uint8)
        expected[1:5, 2:6] = 1
        found = masks.rasterise(SQUARE, 7, 9)
        self.assertAllEqual(found, expected)
        self.assertEqual(found.dtype, np.uint8)


class WithinBoxTest(tf.test.TestCase):
    def test_an_object_that_fills_its_box(self):
        found = masks.within_box(SQUARE, [2, 1, 6, 5], 7, 9)
        self.assertEqual(found.shape, (112, 112))
        # All but what is nearer than half a pixel to a corner.
        self.assertAllEqual(found[14:-14], np.ones([84, 112]))
        self.assertAllEqual(found[:, 14:-14], np.ones([112, 84]))

    def test_bins_of_one_pixel_are_its_pixels(self):
        rng = np.random.default_rng(0)
        mask = rng.integers(0, 2, [8, 12]).astype(np.uint8)
        found = masks.within_box(masks.encode(mask), [3, 2, 9, 8], 8, 12, size=6)
        self.assertAllEqual(found, mask[2:8, 3:9])

    def test_half_a_box(self):
        # The object is the left half of the box, then its upper half.
        found = masks.within_box(SQUARE, [2, 1, 10, 5], 7, 12, size=8)
        self.assertAllEqual(found, np.tile([1, 1, 1, 1, 0, 0, 0, 0], [8, 1]))
        found = masks.within_box(SQUARE, [2, 1, 6, 9], 12, 7, size=8)
        self.assertAllEqual(found.T, np.tile([1, 1, 1, 1, 0, 0, 0, 0], [8, 1]))

    def test_at_the_border_of_the_image(self):
        whole = [[0, 0, 9, 0, 9, 7, 0, 7]]
        self.assertAllEqual(masks.within_box(whole, [0, 0, 9, 7], 7, 9, size=28), np.ones([28, 28]))

    def test_boxes_smaller_than_a_pixel(self):
        for box in ([2.1, 1.2, 2.2, 1.3], [8.99, 6.99, 9, 7], [0, 0, 0.01, 7]):
            self.assertEqual(masks.within_box(SQUARE, box, 7, 9, size=4).shape, (4, 4))


class PasteTest(tf.test.TestCase):
    def test_whole_pixels(self):
        rng = np.random.default_rng(1)
        mask = rng.integers(0, 2, [4, 5]).astype(np.uint8)
        square = np.zeros([1, 5, 5], np.float32)
        square[0, :4] = mask
        expected = np.zeros([1, 9, 8], np.uint8)
        expected[0, 3:8, 2:7] = square[0]
        self.assertAllEqual(masks.paste(square, [[2, 3, 7, 8]], 9, 8), expected)

    def test_full_masks_end_at_their_box(self):
        found = masks.paste(np.ones([1, 28, 28]), [[2.4, 1.6, 6.4, 4.6]], 9, 9)[0]
        expected = np.zeros([9, 9])
        # The pixels whose centres are in the box.
        expected[2:5, 2:6] = 1
        self.assertAllEqual(found, expected)

    def test_interpolates_and_has_a_threshold(self):
        # Two bins, 0.2 and 0.8, whose centres are at 5 and 15: half-way at 10.
        two = np.array([[[0.2, 0.8], [0.2, 0.8]]])
        found = masks.paste(two, [[0, 0, 20, 20]], 20, 20)[0]
        # Beyond 15 the right bin fades to 0 at 25: it is 0.44 at 19.5, and 0.52 at 18.5.
        self.assertAllEqual(found[10], [0] * 10 + [1] * 9 + [0])
        everything = masks.paste(two, [[0, 0, 20, 20]], 20, 20, threshold=0.1)[0]
        self.assertAllEqual(everything[10], np.ones([20]))

    def test_against_a_loop_over_pixels(self):
        rng = np.random.default_rng(2)
        mask = rng.random([6, 6])
        x1, y1, x2, y2 = box = [3.3, -2.1, 21.7, 14.2]
        found = masks.paste(mask[None], [box], 12, 18)[0]
        framed = np.pad(mask, 1)
        for y in range(12):
            for x in range(18):
                row = (y + 0.5 - y1) / (y2 - y1) * 6 + 0.5
                column = (x + 0.5 - x1) / (x2 - x1) * 6 + 0.5
                value = 0.0
                if 0.5 <= row <= 6.5 and 0.5 <= column <= 6.5:
                    i, j = int(row), int(column)
                    a, b = row - i, column - j
                    value = (1 - a) * ((1 - b) * framed[i, j] + b * framed[i, j + 1]) + a * (
                        (1 - b) * framed[i + 1, j] + b * framed[i + 1, j + 1]
                    )
                self.assertEqual(found[y, x], value >= 0.5, (y, x))

    def test_boxes_outside_of_any_size_and_none(self):
        boxes = [[-20, -20, -5, -5], [30, 3, 40, 9], [3, 3, 3, 3], [-5, -5, 50, 50]]
        found = masks.paste(np.ones([4, 14, 14]), boxes, 10, 12)
        self.assertAllEqual(found.sum(axis=(1, 2)), [0, 0, 0, 120])
        none = masks.paste(np.ones([0, 14, 14]), np.zeros([0, 4]), 10, 12)
        self.assertEqual(none.shape, (0, 10, 12))


class EncodeTest(tf.test.TestCase):
    def test_round_trip_through_json(self):
        mask = np.random.default_rng(3).integers(0, 2, [11, 7]).astype(np.uint8)
        coded = json.loads(json.dumps(masks.encode(mask)))
        self.assertEqual(coded["size"], [11, 7])
        self.assertAllEqual(coco_mask.decode(coded), mask)
        self.assertAllEqual(masks.rasterise(coded, 11, 7), mask)


class FaithfulTest(tf.test.TestCase):
    def test_objects_of_coco_into_their_boxes_and_back(self):
        scenes = coco_folder.read(coco_files.mini(), masks=True).test
        found = []
        for index in range(len(scenes)):
            height, width = (int(side) for side in scenes.sizes[index])
            where = scenes.annotations(index)
            for number in range(where.start, where.stop):
                if scenes.crowds[number] or scenes.areas[number] <= 32**2:
                    continue
                segmentation, box = scenes.segmentations[number], scenes.boxes[number]
                mask = masks.within_box(segmentation, box, height, width)
                pasted = masks.paste(mask[None], box[None], height, width)[0]
                whole = masks.rasterise(segmentation, height, width)
                found.append(_intersection_over_union(pasted, whole))
        self.assertGreater(len(found), 300)
        # Below are objects so thin that they are two of their bins wide.
        self.assertGreater(np.quantile(found, 0.01), 0.95)
        self.assertGreater(np.median(found), 0.99)
        self.assertGreater(np.min(found), 0.9)


if __name__ == "__main__":
    tf.test.main()
