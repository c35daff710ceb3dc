"""The regions that the second stage is trained on: proposals, labelled and sampled."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import tensorflow as tf

from kdcl_tf.detection.model import boxes as boxes_lib, matching, sampling

if TYPE_CHECKING:
    from kdcl_tf.detection.model.detector import Targets

# The overlap with an object from which a region shows it.
_OVERLAP = 0.5
POSITIVE_FRACTION = 0.25


@dataclasses.dataclass(frozen=True)
class Regions:
    """A flat batch of regions with the targets of the heads.

    Attributes:
      boxes: `[N, 4]`, pixels of the image.
      images: `[N]` int32, the image of each.
      classes: `[N]` int32, num_classes for the background.
      matched: `[N]` int32, the object of its image that a region shows, a position in G.
      own: `[N, 4]`, the box of that object.
      chosen: `[N]` bool, False for regions that only fill the batch.
      is_object: `[N]` bool, chosen and not background.
    """

    boxes: tf.Tensor
    images: tf.Tensor
    classes: tf.Tensor
    matched: tf.Tensor
    own: tf.Tensor
    chosen: tf.Tensor
    is_object: tf.Tensor

    def objects(self) -> Regions:
        """The regions that show objects; where there are none, one that is not chosen."""
        positions = tf.where(self.is_object)[:, 0]
        # TensorFlow's convolutions for CPUs fail on an empty batch.
        missing = tf.cast(tf.size(positions) == 0, tf.int32)
        positions = tf.pad(positions, [[0, missing]])
        fields = {
            field.name: tf.gather(getattr(self, field.name), positions)
            for field in dataclasses.fields(self)
        }
        return Regions(**fields)


def sample(
    proposals: tf.Tensor, valid: tf.Tensor, targets: Targets, num_classes: int, count: int
) -> Regions:
    """Samples regions among the proposals and the objects themselves.

    Args:
      proposals: `[B, P, 4]`.
      valid: `[B, P]` bool.
      targets: `detector.Targets`.
      num_classes: C.
      count: regions an image.

    Returns:
      `Regions` of N = B * count.

    Source: Girshick, "Fast R-CNN", ICCV 2015, section 2.3.
    """
    # The first proposals are poor, and without the objects there would be no positives.
    proposals = tf.concat([proposals, targets.boxes], axis=1)
    valid = tf.concat([valid, targets.is_object], axis=1)
    matched, labels = matching.match(
        proposals, targets.boxes, targets.is_object, targets.crowds, _OVERLAP, _OVERLAP
    )
    labels = tf.where(valid, labels, matching.IGNORED)
    # Another key than the anchors', so that the two samples are independent.
    indices, chosen = sampling.sample(labels, targets.keys + [[0, 1]], count, POSITIVE_FRACTION)
    own, labels, matched = (
        tf.gather(each, indices, batch_dims=1) for each in (proposals, labels, matched)
    )
    is_object = chosen & (labels == matching.POSITIVE)
    classes = tf.gather(targets.classes, matched, batch_dims=1)
    images = tf.repeat(tf.range(tf.shape(indices)[0]), count)
    return Regions(
        boxes=tf.reshape(own, [-1, 4]),
        images=images,
        classes=tf.reshape(tf.where(is_object, classes, num_classes), [-1]),
        matched=tf.reshape(matched, [-1]),
        own=tf.reshape(tf.gather(targets.boxes, matched, batch_dims=1), [-1, 4]),
        chosen=tf.reshape(chosen, [-1]),
        is_object=tf.reshape(is_object, [-1]),
    )


def mask_targets(masks: tf.Tensor, regions: Regions, size: int) -> tf.Tensor:
    """The masks that the mask head should draw in each region.

    Args:
      masks: `[B, G, S, S]` uint8, each object's mask within its own box.
      regions: `Regions` that show objects.
      size: pixels a side.

    Returns:
      `[N, size, size]` float32, 0 or 1: the object at the centre of each pixel, 0 outside of
      its box.
    """
    own = tf.gather_nd(masks, tf.stack([regions.images, regions.matched], axis=-1))
    resolution = tf.cast(tf.shape(own)[-1], tf.float32)
    # In units of the mask's pixels, whose first has its centre at 0.
    extents = tf.tile(regions.own[:, 2:] - regions.own[:, :2], [1, 2])
    origin = tf.tile(regions.own[:, :2], [1, 2])
    inside = tf.math.divide_no_nan(regions.boxes - origin, extents) * resolution - 0.5
    step = (inside[:, 2:] - inside[:, :2]) / size
    first = inside[:, :2] + 0.5 * step
    last = first + (size - 1) * step
    # Padded with zeros, so that masks fade out where `crop_and_resize` would cut them off.
    padded = tf.pad(tf.cast(own, tf.float32), [[0, 0], [1, 1], [1, 1]])[..., None]
    windows = tf.gather(tf.concat([first, last], axis=-1), [1, 0, 3, 2], axis=-1)
    windows = (windows + 1.0) / (resolution + 1.0)
    drawn = tf.image.crop_and_resize(padded, windows, tf.range(tf.shape(own)[0]), [size, size])
    return tf.cast(drawn[..., 0] >= 0.5, tf.float32)


def decode(codes: tf.Tensor, boxes: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """`boxes.decode` of the second stage, cut to the images.

    Args:
      codes: `[B, P, C, 4]`.
      boxes: `[B, P, 4]`.
      sizes: `[B, 2]`.

    Returns:
      `[B, P, C, 4]`.
    """
    decoded = boxes_lib.decode(codes, boxes[:, :, None, :], CODE_WEIGHTS)
    shape = tf.shape(decoded)
    clipped = boxes_lib.clip(tf.reshape(decoded, [shape[0], -1, 4]), sizes)
    return tf.reshape(clipped, shape)


# Weights of the codes of boxes, which are smaller than those of anchors.
CODE_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
