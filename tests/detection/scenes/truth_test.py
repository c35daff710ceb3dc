"""Tests of kdcl_tf.detection.scenes.truth."""

import dataclasses

import numpy as np
import tensorflow as tf

from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.scenes import masks, segmentations, truth as scene_truth
from tests import coco_files


class BoxesTest(tf.test.TestCase):
    def test_scaled(self):
        found = scene_truth.scaled(tf.constant([[1.0, 2, 3, 4]]), [10, 20], [20, 80])
        self.assertAllClose(found, [[4, 4, 12, 8]])

    def test_mirrored(self):
        boxes = tf.constant([[1.0, 2, 3, 4], [0, 0, 10, 5]])
        found = scene_truth.mirrored(boxes, 10)
        self.assertAllClose(found, [[7, 2, 9, 4], [0, 0, 10, 5]])
        self.assertAllClose(scene_truth.mirrored(found, 10), boxes)


class SceneTruthTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        root = self.create_tempdir().full_path
        coco_files.write(root)
        self.scenes = coco_folder.read(root, masks=True).train

    def padded(self, index, size, mirror=False, count=4, with_masks=True):
        truth = scene_truth.SceneTruth(self.scenes, with_masks)
        index, count = tf.constant(index, tf.int64), tf.constant(count, tf.int64)
        return truth.padded(index, tf.constant(size), tf.constant(mirror), count)

    def test_scaled_and_padded(self):
        found = self.padded(0, [20, 60])
        # In the file: 10..40 x 8..28, 50..60 x 30..38 after the cut, and a crowd 15..25 x 0..40.
        boxes = [[10, 4, 40, 14], [50, 15, 60, 19], [15, 0, 25, 20], [0, 0, 0, 0]]
        self.assertAllClose(found["boxes"], boxes)
        self.assertAllEqual(found["classes"], [0, 1, 0, -1])
        self.assertAllEqual(found["crowds"], [False, False, True, False])
        self.assertEqual(found["masks"].shape, (4, masks.SIZE, masks.SIZE))

    def test_masks_of_crowds_and_of_padding_are_empty(self):
        found = self.padded(0, [40, 60])["masks"]
        self.assertAllEqual(tf.reduce_max(found, axis=[1, 2]), [1, 1, 0, 0])

    def test_no_annotations(self):
        found = self.padded(1, [48, 32], count=1)
        self.assertAllEqual(found["boxes"], [[0, 0, 0, 0]])
        self.assertAllEqual(found["classes"], [-1])
        self.assertAllEqual(found["masks"], np.zeros([1, masks.SIZE, masks.SIZE]))

    def test_mirrored(self):
        triangle = segmentations.pack([[], [], [], [[5.0, 6.0, 25.0, 6.0, 5.0, 18.0]]])
        self.scenes = dataclasses.replace(self.scenes, segmentations=triangle)
        plain, mirrored = (self.padded(2, [60, 100], each, 1) for each in (False, True))
        self.assertAllClose(plain["boxes"], [[10, 12, 51, 36.5]])
        self.assertAllClose(mirrored["boxes"], [[49, 12, 90, 36.5]])
        self.assertAllEqual(mirrored["masks"], plain["masks"][:, :, ::-1])
        # The corner with the right angle is at the upper left, then at the upper right.
        self.assertEqual(plain["masks"][0, 9, 9], 1)
        self.assertEqual(plain["masks"][0, -9, -9], 0)
        self.assertEqual(mirrored["masks"][0, 9, -9], 1)

    def test_without_masks(self):
        found = self.padded(0, [9, 9], with_masks=False)
        self.assertEqual(set(found), {"boxes", "classes", "crowds"})


if __name__ == "__main__":
    tf.test.main()
