"""Tests that a detector whose heads know the truth finds it, to the pixel.

The images say of each pixel what object it is of and where that ends, and the levels also
where they are: the heads only translate.  What is left is what anchors, RoIAlign, the coding
of boxes and suppression do to it, half a pixel included.
"""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model.anchors import RATIOS, SCALE
from kdcl_tf.detection.model.detector import Detector
from tests.detection import plain_boxes, small_scenes
from tests.detection.small_scenes import CLASSES

_SURE = 20.0
# Pixels by which proposals are wrong, for the second stage to mend.
_OFF = (3.0, -2.0, 1.0, 4.0)
_SIZE = 96, 128
_BOXES = np.float32([[8, 12, 52, 40], [60, 20, 124, 90], [14, 50, 38, 86]])
_OWN_CLASSES = (1, 0, 2)

# Channels of an image, then those that levels add.
_CLASS, _BOX, _MASK, _X, _Y, _STRIDE = 0, slice(1, 5), 5, 6, 7, 8


def _encoded(box, centre, extent):
    """`boxes.encode` again, `[..., 4]` and `[..., 2]`."""
    corner, end = box[..., :2], box[..., 2:]
    shift = (0.5 * (corner + end) - centre) / extent
    return tf.concat([shift, tf.math.log((end - corner) / extent)], axis=-1)


class _Pyramid(keras.Model):
    """The pixel at the centre of every feature, where it is, and the stride."""

    def call(self, images):
        return {str(stride): self._level(images, stride) for stride in (4, 8, 16)}

    def _level(self, images, stride):
        seen = images[:, stride // 2 :: stride, stride // 2 :: stride]
        batch, height, width = seen.shape[:3]
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        place = np.stack([stride * x, stride * y, np.full_like(x, stride)], axis=-1)
        return tf.concat([seen, tf.repeat(tf.constant(place[None], tf.float32), batch, 0)], -1)


class _ProposalHead(keras.Model):
    """Sure of every anchor at an object, which it misses by `_OFF`."""

    def call(self, features):
        is_object = features[..., _CLASS, None] >= 0.0
        logits = tf.where(tf.repeat(is_object, len(RATIOS), axis=-1), _SURE, -_SURE)
        side, centre = SCALE * features[..., _STRIDE, None], features[..., _X : _Y + 1]
        box = tf.where(is_object, features[..., _BOX] + _OFF, [0.0, 0.0, 9.0, 9.0])
        codes = [_encoded(box, centre, side * [ratio**0.5, ratio**-0.5]) for ratio in RATIOS]
        return logits, tf.concat(codes, axis=-1)


class _BoxHead(keras.Model):
    """Reads the middle bin, and from the outer ones where the region is."""

    def call(self, regions):
        middle = regions[:, 3, 3]
        number = tf.cast(tf.round(middle[:, _CLASS]), tf.int32)
        place = regions[..., _X : _Y + 1]
        extent = (place[:, 6, 6] - place[:, 0, 0]) * 7 / 6
        box = tf.where(number[:, None] >= 0, middle[:, _BOX], [0.0, 0.0, 9.0, 9.0])
        codes = _encoded(box, place[:, 3, 3], tf.maximum(extent, 1.0)) * [10.0, 10.0, 5.0, 5.0]
        expected = tf.where(number >= 0, number, CLASSES)
        logits = _SURE * tf.one_hot(expected, CLASSES + 1)
        return logits, tf.repeat(codes[:, None], CLASSES, axis=1)


class _MaskHead(keras.Model):
    def call(self, regions):
        drawn = tf.image.resize(regions[..., _MASK, None], [28, 28])
        return tf.repeat(_SURE * (2.0 * drawn - 1.0), CLASSES, axis=-1)


def _image():
    """`[1, H, W, 6]`."""
    image = np.zeros([*_SIZE, 6], np.float32)
    image[..., _CLASS] = -1.0
    for box, number in zip(_BOXES, _OWN_CLASSES):
        x1, y1, x2, y2 = box.astype(int)
        image[y1:y2, x1:x2, _CLASS], image[y1:y2, x1:x2, _BOX] = number, box
        image[y1:y2, x1:x2, _MASK] = _disc(y2 - y1, x2 - x1)
    return tf.constant(image[None])


def _disc(height, width):
    y, x = np.mgrid[:height, :width] + 0.5
    return (x / width - 0.5) ** 2 + (y / height - 0.5) ** 2 < 0.25


def _knowing():
    detector = Detector(small_scenes.backbone(), CLASSES, masks=True, channels=9)
    detector.pyramid, detector.box_head, detector.mask_head = _Pyramid(), _BoxHead(), _MaskHead()
    detector._proposals.head = _ProposalHead()
    return detector


class DetectorTruthTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(1, 3)
    def test_every_object_is_found_once_where_it_is(self, images):
        sizes = tf.constant([_SIZE] * images)
        found = _knowing().detect(tf.repeat(_image(), images, axis=0), sizes, count=20)
        for image in range(images):
            valid = found["valid"][image].numpy()
            self.assertEqual(np.count_nonzero(valid), len(_BOXES))
            classes = found["classes"][image].numpy()[valid]
            order = np.argsort([_OWN_CLASSES.index(each) for each in classes])
            self.assertAllClose(found["boxes"][image].numpy()[valid][order], _BOXES, atol=0.05)
            self.assertAllClose(found["scores"][image][valid], np.ones(3), atol=1e-6)

    def test_masks_are_the_objects_within_their_boxes(self):
        found = _knowing().detect(_image(), tf.constant([_SIZE]), count=20)
        for position in range(len(_BOXES)):
            drawn = found["masks"][0, position].numpy() >= 0.5
            expected = _disc(28, 28)
            common = np.count_nonzero(drawn & expected) / np.count_nonzero(drawn | expected)
            # A feature spans up to 8 of the box's pixels.
            self.assertGreater(common, 0.8)

    def test_proposals_are_the_objects_missed_by_as_much(self):
        detector = _knowing()
        predictions = detector._proposals.predict(detector._features(_image(), False))
        sizes = tf.constant([_SIZE])
        boxes, valid = detector._proposals.propose(predictions, sizes, 1000, 50)
        found = boxes[0].numpy()[valid[0].numpy()]
        for box in np.clip(_BOXES + _OFF, 0.0, np.tile(_SIZE[::-1], 2)):
            self.assertGreater(max(plain_boxes.iou(box, other) for other in found), 0.999)

    def test_objects_beyond_the_size_are_cut(self):
        found = _knowing().detect(_image(), tf.constant([[60, 100]]), count=20)
        valid = found["valid"][0].numpy()
        position = list(found["classes"][0].numpy()[valid]).index(0)
        self.assertAllClose(found["boxes"][0, position], [60, 20, 100, 60], atol=0.05)


if __name__ == "__main__":
    tf.test.main()
