"""Tests of kdcl_tf.detection.found."""

import numpy as np
import tensorflow as tf

from kdcl_tf.detection import found
from kdcl_tf.detection.scenes import masks


def _batch(with_masks=False):
    """Two images, one of them scaled by 2 in height and 3 in width; two slots each."""
    batch = {
        "ids": np.array([7, 9]),
        "sizes": np.array([[20, 30], [16, 16]]),
        "original_sizes": np.array([[10, 10], [16, 16]]),
        "boxes": np.array([[[3, 2, 30, 20], [0, 0, 0, 0]], [[1, 2, 3, 4], [5, 6, 7, 8]]], "f"),
        "scores": np.array([[0.9, 0.0], [0.8, 0.7]], "f"),
        "classes": np.array([[2, 0], [1, 0]], np.int32),
        "valid": np.array([[True, False], [True, True]]),
    }
    return batch | ({"masks": np.ones([2, 2, 4, 4], "f")} if with_masks else {})


class FoundTest(tf.test.TestCase):
    def test_a_batch_is_split_into_images_in_pixels_of_their_files(self):
        (first, one), (second, two) = found.split(_batch())
        self.assertEqual((first, second), (7, 9))
        self.assertAllClose(one.boxes, [[1, 1, 10, 10]])
        self.assertAllEqual(one.classes, [2])
        self.assertEqual((one.height, one.width, one.masks), (10, 10, None))
        self.assertAllClose(two.boxes, [[1, 2, 3, 4], [5, 6, 7, 8]])
        self.assertIsNone(one.pasted())

    def test_masks_are_pasted_where_their_box_is(self):
        (_, one), (_, two) = found.split(_batch(with_masks=True))
        self.assertAllEqual(one.pasted()[0, 1:, 1:], np.ones([9, 9]))
        self.assertAllEqual(one.pasted().sum(), 81)
        self.assertEqual(two.pasted().shape, (2, 16, 16))

    def test_what_is_less_sure_goes(self):
        _, (_, two) = found.split(_batch(with_masks=True))
        kept = two.of_at_least(0.75)
        self.assertAllClose(kept.boxes, [[1, 2, 3, 4]])
        self.assertEqual(kept.masks.shape, (1, 4, 4))
        self.assertEmpty(two.of_at_least(0.85).scores)

    def test_it_is_counted_with_its_masks(self):
        taken = {}

        class Scorer:
            def add(self, *values):
                taken["values"] = values

        (_, one), _ = found.split(_batch(with_masks=True))
        one.add_to(Scorer(), 7)
        image_id, boxes, _, _, coded = taken["values"]
        self.assertEqual(image_id, 7)
        self.assertAllClose(boxes, [[1, 1, 10, 10]])
        self.assertEqual(coded, [masks.encode(one.pasted()[0])])


if __name__ == "__main__":
    tf.test.main()
