"""Tests of kdcl_tf.detection.model.regions."""

import dataclasses

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import regions
from kdcl_tf.detection.model.detector import Targets
from tests.detection import plain_boxes, small_scenes

_CLASSES = 5


def _sample(proposals, targets, count=16, valid=None):
    proposals = tf.constant(proposals, tf.float32)
    valid = tf.ones(proposals.shape[:2], tf.bool) if valid is None else tf.constant(valid)
    return regions.sample(proposals, valid, targets, _CLASSES, count)


def _shown(boxes, own, matched=None):
    """`Regions` of one image, all of which show objects."""
    count = len(boxes)
    zeros = tf.zeros([count], tf.int32)
    matched = zeros if matched is None else tf.constant(matched)
    everything = tf.ones([count], tf.bool)
    return regions.Regions(
        tf.constant(boxes, tf.float32),
        zeros,
        zeros,
        matched,
        tf.constant(own, tf.float32),
        everything,
        everything,
    )


class SampleTest(tf.test.TestCase, parameterized.TestCase):
    def test_known_regions(self):
        near, far = [1.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]
        targets = small_scenes.targets([[[0.0, 0.0, 10.0, 10.0], [0.0] * 4]], [[3, -1]])
        found = _sample([[near, far]], targets)
        # The proposal and the object itself, then the one that is neither.
        self.assertAllEqual(found.is_object, [True] * 2 + [False] * 14)
        self.assertAllEqual(found.chosen, [True] * 3 + [False] * 13)
        self.assertAllEqual(found.classes, [3] * 2 + [_CLASSES] * 14)
        self.assertAllEqual(np.sort(found.boxes[:2], axis=0)[1], near)
        self.assertAllEqual(found.own[:2], [[0.0, 0.0, 10.0, 10.0]] * 2)
        self.assertAllEqual(found.boxes[2], far)
        self.assertAllEqual(found.images, [0] * 16)

    def test_half_an_overlap_is_an_object(self):
        targets = small_scenes.targets([[[0.0, 0.0, 10.0, 10.0]]], [[0]])
        found = _sample([[[0.0, 0.0, 10.0, 5.01], [0.0, 0.0, 10.0, 4.99]]], targets)
        shown = found.boxes.numpy()[found.is_object.numpy()]
        self.assertLen(shown, 2)
        self.assertNotIn([0.0, 0.0, 10.0, 4.99], shown.round(2).tolist())

    def test_at_most_a_quarter_shows_objects(self):
        box = np.float32([20.0, 20.0, 60.0, 60.0])
        rng = np.random.default_rng(0)
        near = box + rng.uniform(-2.0, 2.0, [1, 30, 4])
        far = box + 100.0 + rng.uniform(-2.0, 2.0, [1, 30, 4])
        targets = small_scenes.targets([[box]], [[1]])
        found = _sample(np.concatenate([near, far], axis=1), targets)
        self.assertEqual(np.count_nonzero(found.is_object), 4)
        self.assertAllEqual(found.chosen, [True] * 16)
        # Without any background fewer are chosen.
        found = _sample(near, targets)
        self.assertEqual(np.count_nonzero(found.chosen), 4)

    def test_what_is_no_proposal_is_never_chosen(self):
        targets = small_scenes.targets([[[0.0, 0.0, 10.0, 10.0]]], [[1]])
        proposals = [[[50.0, 50.0, 60.0, 60.0], [1.0, 0.0, 10.0, 10.0], [0.0] * 4]]
        found = _sample(proposals, targets, valid=[[True, False, False]])
        self.assertAllEqual(found.chosen, [True] * 2 + [False] * 14)
        self.assertAllEqual(found.boxes[0], [0.0, 0.0, 10.0, 10.0])

    def test_crowds_and_padding_are_neither_regions_nor_objects(self):
        crowd = [0.0, 0.0, 100.0, 100.0]
        targets = small_scenes.targets([[crowd, [0.0] * 4]], [[1, -1]], [[True, False]])
        found = _sample([[crowd, [10.0, 10.0, 20.0, 20.0], [90.0, 0.0, 190.0, 50.0]]], targets)
        self.assertEqual(np.count_nonzero(found.is_object), 0)
        self.assertAllEqual(found.chosen, [True] + [False] * 15)
        self.assertAllEqual(found.boxes[0], [90.0, 0.0, 190.0, 50.0])
        self.assertAllEqual(found.classes, [_CLASSES] * 16)

    def test_an_image_is_sampled_the_same_whatever_is_beside_it(self):
        rng = np.random.default_rng(0)
        proposals = np.stack([plain_boxes.random_boxes(rng, 50) for _ in range(3)])
        targets = small_scenes.targets(proposals[:, :4], rng.integers(_CLASSES, size=[3, 4]))
        together = _sample(proposals, targets)
        self.assertAllEqual(together.images, np.repeat([0, 1, 2], 16))
        for image in range(3):
            one = slice(image, image + 1)
            own = [getattr(targets, name)[one] for name in ("boxes", "classes", "crowds", "keys")]
            alone = _sample(proposals[one], Targets(*own))
            rows = slice(16 * image, 16 * image + 16)
            for name in ("boxes", "classes", "matched", "own", "chosen", "is_object"):
                self.assertAllEqual(getattr(alone, name), getattr(together, name)[rows], name)

    def test_every_object_region_overlaps_its_own_by_half(self):
        rng = np.random.default_rng(1)
        boxes = np.stack([plain_boxes.random_boxes(rng, 6) for _ in range(2)])
        near = np.repeat(boxes, 5, axis=1) + rng.uniform(-3, 3, [2, 30, 4])
        classes = rng.integers(_CLASSES, size=[2, 6])
        found = _sample(near, small_scenes.targets(boxes, classes), count=64)
        for number in np.flatnonzero(found.is_object):
            image, matched = int(found.images[number]), int(found.matched[number])
            self.assertAllEqual(found.own[number], boxes[image, matched])
            self.assertEqual(int(found.classes[number]), classes[image, matched])
            overlap = plain_boxes.iou(found.boxes[number].numpy(), boxes[image, matched])
            self.assertGreaterEqual(overlap, 0.5 - 1e-5)
        self.assertGreater(np.count_nonzero(found.is_object), 20)


class ObjectsTest(tf.test.TestCase):
    def test_they_are_the_regions_with_objects_in_order(self):
        boxes = [[[0.0, 0.0, 10.0, 10.0]], [[30.0, 30.0, 50.0, 50.0]]]
        targets = small_scenes.targets(boxes, [[3], [4]])
        found = _sample([[[90.0, 90.0, 99.0, 99.0]]] * 2, targets, count=4)
        objects = found.objects()
        self.assertAllEqual(objects.classes, [3, 4])
        self.assertAllEqual(objects.images, [0, 1])
        self.assertAllEqual(objects.is_object, [True, True])
        for field in dataclasses.fields(objects):
            self.assertLen(getattr(objects, field.name), 2)

    def test_without_an_object_there_is_one_region_that_shows_none(self):
        found = _sample([[[90.0, 90.0, 99.0, 99.0]]], small_scenes.targets([[[0.0] * 4]], [[-1]]))
        self.assertAllEqual(found.objects().is_object, [False])


def _plain_mask(mask, own, box, size):
    """The mask, drawn in the box: the object at the centre of each pixel, bilinear, from 1/2."""
    resolution, drawn = len(mask), np.zeros([size, size])
    padded = np.pad(np.float64(mask), 1)
    for row, column in np.ndindex(size, size):
        y = box[1] + (row + 0.5) / size * (box[3] - box[1])
        x = box[0] + (column + 0.5) / size * (box[2] - box[0])
        v = (y - own[1]) / (own[3] - own[1]) * resolution + 0.5
        u = (x - own[0]) / (own[2] - own[0]) * resolution + 0.5
        if 0.0 <= v <= resolution + 1 and 0.0 <= u <= resolution + 1:
            i, j = min(int(v), resolution), min(int(u), resolution)
            a, b = v - i, u - j
            drawn[row, column] = (
                (1 - a) * ((1 - b) * padded[i, j] + b * padded[i, j + 1])
                + a * ((1 - b) * padded[i + 1, j] + b * padded[i + 1, j + 1])
            )  # fmt: skip
    return drawn


def _blob(resolution=112):
    """A disc with a bite."""
    y, x = np.mgrid[:resolution, :resolution] / resolution
    disc = (x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.16
    return np.uint8(disc & ~((x > 0.5) & (y > 0.5)))


class MaskTargetsTest(tf.test.TestCase, parameterized.TestCase):
    def _drawn(self, mask, own, boxes, size):
        masks = tf.constant(mask)[None, None]
        return regions.mask_targets(masks, _shown(boxes, [own] * len(boxes)), size).numpy()

    def test_a_region_that_is_the_box_shows_the_mask(self):
        mask, own = np.eye(4, dtype=np.uint8), [3.0, 5.0, 43.0, 25.0]
        self.assertAllEqual(self._drawn(mask, own, [own], 4)[0], np.eye(4))
        self.assertAllEqual(self._drawn(mask, own, [own], 8)[0].sum(), 16.0)

    def test_a_smaller_size_is_the_mask_resized(self):
        own = [3.0, 5.0, 43.0, 25.0]
        found = self._drawn(_blob(), own, [own], 28)[0]
        # A pixel of 28 spans four of 112; its centre lies between the second and the third.
        quarters = _blob().reshape(28, 4, 28, 4)[:, 1:3, :, 1:3].mean(axis=(1, 3))
        # Where two of the four are the object, rounding decides.
        sure = quarters != 0.5
        self.assertGreater(sure.mean(), 0.95)
        self.assertAllEqual(found[sure], (quarters >= 0.5)[sure])

    def test_regions_that_are_moved_larger_smaller_or_beside(self):
        mask, own = np.ones([8, 8], np.uint8), [16.0, 16.0, 32.0, 32.0]
        boxes = [[8, 16, 24, 32], [0, 0, 64, 64], [20, 20, 24, 24], [40, 40, 50, 50]]
        moved, larger, smaller, beside = self._drawn(mask, own, boxes, 4)
        self.assertAllEqual(moved, [[0, 0, 1, 1]] * 4)
        self.assertAllEqual(larger, np.pad([[1.0]], [(1, 2), (1, 2)]))
        self.assertAllEqual(smaller, np.ones([4, 4]))
        self.assertAllEqual(beside, np.zeros([4, 4]))

    @parameterized.parameters(7, 28)
    def test_it_equals_numpy_on_random_regions(self, size):
        rng, own = np.random.default_rng(0), np.float64([20.0, 10.0, 90.0, 70.0])
        boxes = own + rng.uniform(-25.0, 25.0, [20, 4])
        found = self._drawn(_blob(28), own, boxes, size)
        expected = np.array([_plain_mask(_blob(28), own, np.float32(box), size) for box in boxes])
        # Rounding decides where the object is half.
        sure = np.abs(expected - 0.5) > 1e-3
        self.assertGreater(sure.mean(), 0.98)
        self.assertAllEqual(found[sure], (expected >= 0.5)[sure])

    def test_each_region_has_the_mask_of_its_own_object_and_image(self):
        masks = np.zeros([2, 3, 4, 4], np.uint8)
        for image, position in np.ndindex(2, 3):
            masks[image, position].flat[3 * image + position] = 1
        own = [0.0, 0.0, 8.0, 8.0]
        shown = _shown([own] * 6, [own] * 6, matched=[0, 1, 2, 2, 1, 0])
        shown = dataclasses.replace(shown, images=tf.constant([0, 0, 0, 1, 1, 1]))
        found = regions.mask_targets(tf.constant(masks), shown, 4)
        self.assertAllEqual(tf.reshape(found, [6, 16]), np.eye(16)[[0, 1, 2, 5, 4, 3]])

    def test_a_box_without_area_has_no_mask(self):
        flat = [5.0, 5.0, 5.0, 9.0]
        found = self._drawn(np.ones([4, 4], np.uint8), flat, [[20, 20, 30, 30], flat], 4)
        self.assertAllInSet(found, [0.0, 1.0])


class DecodeTest(tf.test.TestCase):
    def test_known_numbers(self):
        box = tf.constant([[[10.0, 10.0, 30.0, 20.0]]])
        codes = tf.constant([[[[0.0] * 4, [10.0, 0.0, 0.0, 5.0 * np.log(2.0)]]]], tf.float32)
        found = regions.decode(codes, box, tf.constant([[100, 45]]))
        # One width to the right, twice as high; cut at a width of 45.
        self.assertAllClose(found, [[[[10, 10, 30, 20], [30, 5, 45, 25]]]])

    def test_a_graph_of_unknown_dimensions(self):
        graph = tf.function(
            regions.decode,
            input_signature=[
                tf.TensorSpec([None, None, _CLASSES, 4], tf.float32),
                tf.TensorSpec([None, None, 4], tf.float32),
                tf.TensorSpec([None, 2], tf.int32),
            ],
        )
        codes = tf.random.stateless_normal([3, 6, _CLASSES, 4], [0, 0])
        boxes = tf.tile(tf.constant([[[10.0, 10.0, 30.0, 20.0]]]), [3, 6, 1])
        sizes = tf.constant([[100, 45], [20, 20], [30, 60]])
        self.assertAllClose(graph(codes, boxes, sizes), regions.decode(codes, boxes, sizes))
        shape = graph.get_concrete_function().output_shapes
        self.assertEqual(shape.as_list(), [None, None, _CLASSES, 4])


if __name__ == "__main__":
    tf.test.main()
