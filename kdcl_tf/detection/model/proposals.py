"""The region proposal network: where in an image there may be an object of any class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from kdcl_tf.detection.model import (
    boxes as boxes_lib,
    heads,
    losses,
    matching,
    sampling,
    suppression,
)
from kdcl_tf.detection.model.anchors import Anchors

if TYPE_CHECKING:
    from kdcl_tf.detection.model.detector import Targets

# Overlaps with objects: below the first an anchor is background, from the second on an object;
# between them it is ignored.
_LOW, _HIGH = 0.3, 0.7
_SAMPLES, _POSITIVE_FRACTION = 256, 0.5
_SUPPRESSION = 0.7


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The predictions of the head, level by level, in the order of the strides.

    Attributes:
      anchors: `[A, 4]` a level.
      logits: `[B, A]` a level, of being an object.
      codes: `[B, A, 4]` a level, of `boxes.encode`.
    """

    anchors: list[tf.Tensor]
    logits: list[tf.Tensor]
    codes: list[tf.Tensor]


class ProposalNetwork:
    """Proposes boxes from a pyramid's features.

    Args:
      strides: of the pyramid's levels, in rising order.
      channels: of a level.
      dtype: dtype policy of the head.

    Source: Ren et al., "Faster R-CNN", 2015, section 3; Lin et al., "Feature Pyramid Networks",
    CVPR 2017, section 4.1.
    """

    def __init__(self, strides: Sequence[int], channels: int, dtype: str | None = None):
        self.anchors = Anchors(strides)
        self.head = heads.proposal_head(channels, self.anchors.count, dtype)

    def predict(self, pyramid: Mapping[int, tf.Tensor], training: bool = False) -> Predictions:
        """`Predictions` from `{stride: [B, H, W, C]}`."""
        anchors, logits, codes = [], [], []
        for stride in self.anchors.strides:
            objects, shifts = self.head(pyramid[stride], training=training)
            batch, height, width = tf.unstack(tf.shape(objects)[:3])
            anchors.append(self.anchors.level(stride, height, width))
            logits.append(tf.reshape(objects, [batch, -1]))
            codes.append(tf.reshape(shifts, [batch, -1, 4]))
        return Predictions(anchors, logits, codes)

    def losses(
        self, predictions: Predictions, targets: Targets
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The losses of a sample of each image's anchors.

        Args:
          predictions: of `predict`.
          targets: `detector.Targets`.

        Returns:
          `{"objectness": sum, "proposal_boxes": sum}` and the number of anchors sampled.
        """
        anchors = tf.concat(predictions.anchors, axis=0)
        matched, labels = matching.match(
            anchors, targets.boxes, targets.is_object, targets.crowds, _LOW, _HIGH, keep_best=True
        )
        indices, chosen = sampling.sample(labels, targets.keys, _SAMPLES, _POSITIVE_FRACTION)
        logits = tf.gather(tf.concat(predictions.logits, axis=1), indices, batch_dims=1)
        codes = tf.gather(tf.concat(predictions.codes, axis=1), indices, batch_dims=1)
        is_object = chosen & (tf.gather(labels, indices, batch_dims=1) == matching.POSITIVE)
        own = tf.gather(targets.boxes, tf.gather(matched, indices, batch_dims=1), batch_dims=1)
        own_codes = boxes_lib.encode(own, tf.gather(anchors, indices))
        sums = {
            "objectness": losses.objectness(logits, is_object, chosen),
            "proposal_boxes": losses.box_codes(codes, own_codes, is_object, losses.PROPOSAL_BETA),
        }
        return sums, tf.math.count_nonzero(chosen, dtype=tf.float32)

    def propose(
        self, predictions: Predictions, sizes: tf.Tensor, candidates: int, count: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The boxes that most look like objects.

        Args:
          predictions: of `predict`.
          sizes: `[B, 2]` height and width of the images, without padding.
          candidates: how many boxes of each level, of the highest scores, are looked at.
          count: how many boxes stay.

        Returns:
          `(boxes [B, count, 4], valid [B, count])`, inside the images; no gradient passes.
        """
        boxes, scores, levels = [], [], []
        for number, (anchors, logits, codes) in enumerate(
            zip(predictions.anchors, predictions.logits, predictions.codes)
        ):
            most = tf.minimum(candidates, tf.shape(logits)[1])
            best, positions = tf.math.top_k(tf.stop_gradient(logits), most)
            codes = tf.gather(tf.stop_gradient(codes), positions, batch_dims=1)
            boxes.append(boxes_lib.decode(codes, tf.gather(anchors, positions)))
            scores.append(best)
            levels.append(tf.fill([most], number))
        boxes = boxes_lib.clip(tf.concat(boxes, axis=1), sizes)
        scores = tf.where(boxes_lib.is_box(boxes), tf.concat(scores, axis=1), -float("inf"))
        levels = tf.concat(levels, axis=0)
        return suppression.keep_proposals(boxes, scores, levels, count, _SUPPRESSION)
