"""The losses of a detector, written out image by image and mask by mask."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.detection.model import (
    boxes as boxes_lib,
    losses,
    matching,
    regions,
    roi_align,
    sampling,
)
from kdcl_tf.detection.model.detector import Targets
from tests.detection import small_scenes
from tests.detection.small_scenes import CLASSES

KINDS = ("objectness", "proposal_boxes", "classes", "boxes", "masks")


class PlainLosses:
    """The losses of a batch, with masks, from the heads of a detector."""

    def __init__(self, detector, regions_per_image):
        self._detector, self._count = detector, regions_per_image

    def __call__(self, batch):
        """`(sums, counts)` of all images, by kind."""
        images = len(batch["images"])
        # Batch normalisation sees the images together.
        levels = self._detector.pyramid(batch["images"], training=True)
        parts = [
            self._of_image(levels, small_scenes.one(batch, image), image) for image in range(images)
        ]
        return tuple(
            {kind: tf.add_n([part[side][kind] for part in parts]) for kind in KINDS}
            for side in (0, 1)
        )

    def _of_image(self, levels, batch, image):
        pyramid = {int(stride): each[image : image + 1] for stride, each in levels.items()}
        targets = Targets.of(batch)
        sums, count = self._first_stage(pyramid, targets)
        found = self._detector._proposals.propose(
            self._detector._proposals.predict(pyramid), batch["sizes"], 2000, 1000
        )
        sampled = regions.sample(*found, targets, CLASSES, self._count)
        del pyramid[16]
        second, chosen, objects = self._second_stage(pyramid, sampled, targets)
        counts = dict(zip(KINDS, (count, count, chosen, chosen, objects)))
        return {**sums, **second}, {kind: float(each) for kind, each in counts.items()}

    def _first_stage(self, pyramid, targets):
        anchors, logits, codes = [], [], []
        for stride, features in sorted(pyramid.items()):
            said = self._detector.proposal_head(features, training=True)
            logits.append(tf.reshape(said[0], [-1]))
            codes.append(tf.reshape(said[1], [-1, 4]))
            anchors.append(self._detector._proposals.anchors.level(stride, *features.shape[1:3]))
        anchors, logits, codes = (tf.concat(each, 0) for each in (anchors, logits, codes))
        matched, labels = matching.match(
            anchors, targets.boxes, targets.is_object, targets.crowds, 0.3, 0.7, True
        )
        indices, chosen = sampling.sample(labels, targets.keys, 256, 0.5)
        drawn = indices[0][chosen[0]]
        positive = drawn[tf.gather(labels[0], drawn) == matching.POSITIVE]
        own = tf.gather(targets.boxes[0], tf.gather(matched[0], positive))
        expected = boxes_lib.encode(own, tf.gather(anchors, positive))
        is_object = tf.cast(tf.gather(labels[0], drawn), tf.float32)
        entropy = keras.ops.binary_crossentropy(
            is_object, tf.gather(logits, drawn), from_logits=True
        )
        errors = tf.gather(codes, positive) - expected
        sums = {
            "objectness": tf.reduce_sum(entropy),
            "proposal_boxes": tf.reduce_sum(losses.smooth_l1(errors, 1 / 9)),
        }
        return sums, len(drawn)

    def _second_stage(self, pyramid, sampled, targets):
        chosen = np.flatnonzero(sampled.chosen)
        positions = np.flatnonzero(sampled.is_object)
        boxes, images = tf.gather(sampled.boxes, chosen), tf.zeros(len(chosen), tf.int32)
        aligned = roi_align.pyramid_align(pyramid, boxes, images, 7)
        logits, codes = self._detector.box_head(aligned, training=True)
        truth = sampled.classes.numpy()[chosen]
        entropy = keras.losses.sparse_categorical_crossentropy(truth, logits, from_logits=True)
        # Objects come first.
        own = tf.stack([codes[row, truth[row]] for row in range(len(positions))])
        expected = boxes_lib.encode(
            tf.gather(sampled.own, positions), tf.gather(boxes, positions), (10.0, 10.0, 5.0, 5.0)
        )
        sums = {
            "classes": tf.reduce_sum(entropy),
            "boxes": tf.reduce_sum(losses.smooth_l1(own - expected, 1.0))
            if len(positions)
            else 0.0,
            "masks": self._masks(pyramid, sampled, positions, targets),
        }
        return sums, len(chosen), len(positions)

    def _masks(self, pyramid, sampled, positions, targets):
        total = tf.constant(0.0)
        for row in positions:
            box, image = sampled.boxes[row : row + 1], tf.zeros([1], tf.int32)
            aligned = roi_align.pyramid_align(pyramid, box, image, 14)
            logits = self._detector.mask_head(aligned, training=True)
            logits = logits[0, :, :, int(sampled.classes[row])]
            expected = regions.mask_targets(targets.masks, sampled.objects(), 28)
            expected = expected[list(positions).index(row)]
            entropy = keras.ops.binary_crossentropy(expected, logits, from_logits=True)
            total += tf.reduce_mean(entropy)
        return total
