"""Tests of kdcl_tf.detection.scenes.dataset."""

import json

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from kdcl_tf.detection.scenes import dataset as scenes_lib, segmentations


def scenes(**changes):
    """Images of 10 x 20 (height x width) with 2, 0 and 1 boxes, and one without area."""
    facts = {
        "images": storage.Files("/nowhere", np.array([b"a.jpg", b"b.jpg", b"c.jpg"])),
        "ids": np.array([7, 3, 5]),
        "sizes": np.array([[10, 20]] * 3),
        "owners": np.array([2, 0, 0, 0]),
        "boxes": np.array([[-1.0, 2, 30, 4], [0, 0, 5, 5], [6, 6, 6, 9], [15, 5, 25, 15]]),
        "classes": np.array([1, 0, 0, 1]),
        "crowds": np.array([False, False, False, True]),
        "areas": np.array([50.0, 25.0, 1.0, 99.0]),
        "annotation_ids": np.array([40, 10, 20, 30]),
        "segmentations": segmentations.pack([[[n] * 6] for n in (40, 10, 20, 30)]),
        "category_ids": (4, 9),
        "class_names": ("cat", "dog"),
    }
    return scenes_lib.arranged(**(facts | changes))


class ArrangedTest(tf.test.TestCase):
    def test_annotations_are_gathered_by_image_and_clipped(self):
        found = scenes()
        self.assertAllEqual(found.offsets, [0, 2, 2, 3])
        self.assertAllEqual(found.counts, [2, 0, 1])
        self.assertAllEqual(found.boxes, [[0, 0, 5, 5], [15, 5, 20, 10], [0, 2, 20, 4]])
        self.assertAllEqual(found.classes, [0, 1, 1])
        self.assertAllEqual(found.crowds, [False, True, False])
        self.assertAllEqual(found.areas, [25, 99, 50])
        self.assertAllEqual(found.annotation_ids, [10, 30, 40])
        self.assertAllEqual([each[0][0] for each in found.segmentations], [10, 30, 40])
        self.assertEqual(found.annotations(0), slice(0, 2))

    def test_kinds_of_numbers(self):
        found = scenes()
        kinds = {
            "ids": np.int64, "sizes": np.int32, "offsets": np.int64, "boxes": np.float32,
            "classes": np.int32, "crowds": bool, "areas": np.float32, "annotation_ids": np.int64,
        }  # fmt: skip
        for name, kind in kinds.items():
            self.assertEqual(getattr(found, name).dtype, kind, name)

    def test_boxes_without_area_inside_are_dropped(self):
        self.assertAllEqual(scenes().dropped_ids, [20])
        outside = np.array([[20.0, 0, 25, 5], [0, -5, 5, 0], [5, 5, 4, 6], [0, 0, 20, 10]])
        found = scenes(boxes=outside)
        self.assertAllEqual(found.dropped_ids, [40, 10, 20])
        self.assertAllEqual(found.annotation_ids, [30])

    def test_none_has_annotations(self):
        nothing = np.zeros([0])
        found = scenes(
            owners=nothing.astype(int), boxes=nothing, classes=nothing, crowds=nothing,
            areas=nothing, annotation_ids=nothing, segmentations=segmentations.pack([]),
        )  # fmt: skip
        self.assertAllEqual(found.offsets, [0, 0, 0, 0])
        self.assertEqual(found.boxes.shape, (0, 4))


class ScenesTest(tf.test.TestCase):
    def test_take_by_array_slice_and_mask(self):
        whole = scenes()
        for indices in ([2, 0], [1], [0, 0, 2], slice(1, 3), np.array([True, False, True]), []):
            found = whole.take(indices)
            positions = np.arange(3)[indices]
            self.assertAllEqual(found.ids, whole.ids[positions])
            self.assertAllEqual(found.images.names, whole.images.names[positions])
            for number, position in enumerate(positions):
                one, other = found.annotations(number), whole.annotations(position)
                self.assertAllEqual(found.boxes[one], whole.boxes[other])
                self.assertAllEqual(found.annotation_ids[one], whole.annotation_ids[other])
                masks = [found.segmentations[each] for each in range(one.start, one.stop)]
                expected = [whole.segmentations[each] for each in range(other.start, other.stop)]
                self.assertAllEqual(masks, expected)
            self.assertLen(found.boxes, found.offsets[-1])

    def test_take_without_segmentations(self):
        self.assertIsNone(scenes(segmentations=None).take([0]).segmentations)

    def test_checksum_tells_boxes_and_their_order_apart(self):
        checksums = {
            scenes().checksum(),
            scenes().take([1, 0, 2]).checksum(),
            scenes(classes=np.array([1, 0, 0, 0])).checksum(),
            scenes(owners=np.array([2, 1, 0, 0])).checksum(),
        }
        self.assertLen(checksums, 4)
        self.assertEqual(scenes().checksum(), scenes().take([0, 1, 2]).checksum())

    def test_the_digest_tells_names_masks_and_ids_of_categories_apart_too(self):
        plain = scenes().digest()
        self.assertEqual(scenes().take([0, 1, 2]).digest(), plain)
        names = np.array([b"a.jpg", b"b.jpg", b"d.jpg"])
        renamed = scenes(images=storage.Files("/elsewhere", names)).digest()
        shapes = [[[n] * 6] for n in (40, 10, 20, 31)]
        drawn = scenes(segmentations=segmentations.pack(shapes)).digest()
        numbered = scenes(category_ids=(4, 10)).digest()
        for key, other in (("names", renamed), ("masks", drawn), ("categories", numbered)):
            self.assertEqual([each for each in plain if plain[each] != other[each]], [key])
        self.assertNotIn("masks", scenes(segmentations=None).digest())


class SceneDatasetTest(tf.test.TestCase):
    def test_summary_and_warnings(self):
        test = scenes(boxes=np.ones([4, 4]) * [0, 0, 1, 1])
        dataset = scenes_lib.SceneDataset("coco:x", scenes(), test)
        summary = json.loads(json.dumps(dataset.summary()))
        expected = {
            "name": "coco:x", "num_classes": 2, "num_train": 3, "train_boxes": 3,
            "train_crowds": 1, "train_dropped_boxes": 1, "num_test": 3, "test_boxes": 4,
        }  # fmt: skip
        self.assertContainsSubset(expected.items(), summary.items())
        self.assertNotEqual(summary["train_checksum"], summary["test_checksum"])
        first, crowds = dataset.warnings()
        self.assertRegex(first, "^train of coco:x: 1 boxes are left out, .* annotation 20$")
        # Of the 4 of the test scenes, one is, too.
        scraps = scenes(dropped_parts=(30, 30, 10))
        self.assertRegex(
            scraps.warnings("x")[1],
            "^x: 3 polygons are left out, since they have fewer than 3 corners; .* annotation 30$",
        )
        self.assertEqual(scraps.none().warnings("x"), ())
        self.assertRegex(crowds, r"^train of coco:x: 1 of 3 annotations are crowds \(iscrowd 1\), ")


if __name__ == "__main__":
    tf.test.main()
