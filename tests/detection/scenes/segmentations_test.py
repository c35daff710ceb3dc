"""Tests of kdcl_tf.detection.scenes.segmentations."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from pycocotools import mask as coco_mask

from kdcl_tf.detection.scenes import segmentations

SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]
# Of 4 rows and 5 columns, column after column: 6 that are not of the object, 3 that are.
COUNTS = {"size": [4, 5], "counts": [6, 3, 11]}


def _compressed():
    return coco_mask.frPyObjects(COUNTS, 4, 5)


class FaultTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ([SQUARE],),
        ([SQUARE, [0, 0, 1, 0, 1.5, 2]],),
        (COUNTS,),
        (_compressed(),),
        ({"size": [4, 5], "counts": _compressed()["counts"].decode()},),
    )
    def test_none(self, segmentation):
        self.assertIsNone(segmentations.fault(segmentation, 4, 5))

    @parameterized.parameters(
        (None, "no segmentation"),
        ("polygon", "'polygon'"),
        ([], "no polygons"),
        ([[]], "a polygon of 0 numbers"),
        ([[1, 1, 2, 2]], "a polygon of 4 numbers"),
        ([SQUARE, [*SQUARE, 1]], "a polygon of 9 numbers"),
        ([SQUARE, [1, 2, 3, 4, 5, None]], "a polygon .1, 2, 3, 4, 5, None"),
        ([[1, 2, 3, 4, 5, float("nan")]], "a polygon .1, 2, 3, 4, 5, nan"),
        (SQUARE, "a polygon 1"),
        ({"counts": [20]}, "an RLE of size None in an image of .4, 5."),
        ({"size": [5, 4], "counts": [20]}, "an RLE of size .5, 4. in an image of .4, 5."),
        ({"size": [4, 5], "counts": [6, 3]}, "an RLE of 9 pixels in an image of 20"),
        ({"size": [4, 5], "counts": [21, -1]}, "whole numbers"),
        ({"size": [4, 5], "counts": 3}, "an RLE with counts 3"),
        ({"size": [4, 5], "counts": "06"}, "an RLE of 6 pixels in an image of 20"),
        ({"size": [4, 5], "counts": b"06P"}, "not whole numbers"),
        ({"size": [4, 5], "counts": "O5"}, "not whole numbers"),
        ({"size": [4, 5], "counts": "06\ud800"}, r"an RLE with counts '06\\ud800'"),
        ({"size": [4, 5], "counts": "06\u00e9"}, "an RLE with counts '06\u00e9'"),
    )
    def test_told(self, segmentation, message):
        self.assertRegex(segmentations.fault(segmentation, 4, 5), message)


class ScrapsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ([SQUARE, []], [SQUARE], 1),
        ([[1, 1, 2, 2], SQUARE, [3, 3], SQUARE], [SQUARE, SQUARE], 2),
        ([SQUARE], [SQUARE], 0),
        # Nothing would be left, or something else is wrong: `fault` tells.
        ([[], [1, 1, 2, 2]], [[], [1, 1, 2, 2]], 0),
        ([SQUARE, [1, 2, 3, 4, 5]], [SQUARE, [1, 2, 3, 4, 5]], 0),
        ([SQUARE, [1, "2"]], [SQUARE, [1, "2"]], 0),
        ([], [], 0),
        (COUNTS, COUNTS, 0),
        (None, None, 0),
    )
    def test_polygons_without_three_corners_are_left_out_beside_others(self, given, kept, count):
        self.assertEqual(segmentations.without_scraps(given), (kept, count))


class RunsTest(tf.test.TestCase):
    def test_compressed_counts_are_read_as_pycocotools_does(self):
        rng = np.random.default_rng(0)
        for density in (0.01, 0.1, 0.5):
            mask = (rng.random([97, 211]) < density).astype(np.uint8)
            coded = coco_mask.encode(np.asfortranarray(mask))
            counts = segmentations._runs(coded["counts"])
            values = np.repeat(np.arange(len(counts)) % 2, counts)
            self.assertAllEqual(values.reshape([211, 97]).T, mask)
            self.assertIsNone(segmentations.fault(coded, 97, 211))


class RleTest(tf.test.TestCase):
    def test_all_kinds_give_the_same(self):
        expected = np.zeros([4, 5], np.uint8)
        expected[2:, 1] = 1
        expected[0, 2] = 1
        text = {"size": [4, 5], "counts": _compressed()["counts"].decode()}
        for segmentation in (COUNTS, _compressed(), text):
            found = coco_mask.decode(segmentations.rle(segmentation, 4, 5))
            self.assertAllEqual(found, expected)

    def test_polygons_are_united(self):
        found = coco_mask.decode(segmentations.rle([SQUARE, [0, 0, 2, 0, 2, 2, 0, 2]], 4, 5))
        expected = np.zeros([4, 5], np.uint8)
        expected[1:4, 1:4] = 1
        expected[:2, :2] = 1
        self.assertAllEqual(found, expected)


class PackedTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.two = [SQUARE, [0.25, 0.5, 3.1, 0, 2, 2.7]]
        self.all = [self.two, COUNTS, None, [SQUARE], _compressed()]

    def test_means_the_same(self):
        packed = segmentations.pack(self.all)
        self.assertLen(packed, 5)
        self.assertEqual(packed[2], [])
        for number in (0, 1, 3, 4):
            found = segmentations.rle(packed[number], 4, 5)
            self.assertEqual(found, segmentations.rle(self.all[number], 4, 5))
        self.assertAllEqual(packed[0][1], self.two[1])
        self.assertEqual(packed[0][1].dtype, np.float64)

    def test_take(self):
        taken = segmentations.pack(self.all).take(np.array([4, 0, 3])).take(np.array([1, 0]))
        self.assertLen(taken, 2)
        self.assertAllEqual(taken[0][1], self.two[1])
        self.assertEqual(taken[1], _compressed())
        self.assertLen(list(taken), 2)
        self.assertEqual(taken.digest(), segmentations.pack([self.two, _compressed()]).digest())

    def test_the_digest_tells_all_kinds_and_their_order_apart(self):
        lists = (
            [self.two, COUNTS],
            [COUNTS, self.two],
            [self.two[:1], self.two[1:], COUNTS],
            [self.two, None],
            [None, self.two],
        )
        self.assertLen({segmentations.pack(each).digest() for each in lists}, len(lists))

    def test_none(self):
        self.assertEmpty(segmentations.pack([]).take(np.array([], int)))


if __name__ == "__main__":
    tf.test.main()
