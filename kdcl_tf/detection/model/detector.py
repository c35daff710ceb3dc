"""Faster R-CNN and Mask R-CNN on a feature pyramid."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras
import tensorflow as tf

from kdcl_tf.detection.model import (
    boxes as boxes_lib,
    feature_pyramid,
    heads,
    learning,
    losses,
    proposals,
    regions,
    roi_align,
    suppression,
)

_BOX_BINS, _MASK_BINS = 7, 14
# Proposals: how many of a level's highest scores are looked at, and how many of all stay.
_TRAINED_CANDIDATES, _SERVED_CANDIDATES, _PROPOSALS = 2000, 1000, 1000
_LEAST_SCORE, _SUPPRESSION = 0.05, 0.5


@dataclasses.dataclass(frozen=True)
class Targets:
    """What is annotated in the images of a batch.

    Attributes:
      boxes: `[B, G, 4]`.
      classes: `[B, G]` int32, -1 for padding.
      crowds: `[B, G]` bool.
      keys: `[B, 2]` int64, a random key for the samples of each image.
      masks: `[B, G, S, S]` uint8 or None, each object's mask within its box.
    """

    boxes: tf.Tensor
    classes: tf.Tensor
    crowds: tf.Tensor
    keys: tf.Tensor
    masks: tf.Tensor | None = None

    @classmethod
    def of(cls, batch: Mapping[str, tf.Tensor]) -> Targets:
        """From a batch of `scenes.views.SceneViews`."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: batch[name] for name in names if name in batch})

    @property
    def is_object(self) -> tf.Tensor:
        """`[B, G]` bool: neither padding nor crowd."""
        return (self.classes >= 0) & ~self.crowds


class Detector(learning.Learner):
    """A two-stage detector; with `masks` it also draws each object's outline.

    Args:
      backbone: a `keras.Model`, images -> `{stride: features}`, see `backbone`.
      num_classes: C, without the background.
      masks: Mask R-CNN rather than Faster R-CNN.
      regions_per_image: regions of each image that the second stage is trained on, at most a
        quarter of them of objects: 4 or more to train.
      channels: of the pyramid.
      dtype_policy: of all layers but those that predict.

    Its `train_step` takes a batch of `scenes.views.SceneViews`; see `learning.Learner`.

    Source: Ren et al., "Faster R-CNN", 2015; Lin et al., "Feature Pyramid Networks", CVPR 2017;
    He et al., "Mask R-CNN", ICCV 2017.
    """

    def __init__(
        self,
        backbone: keras.Model,
        num_classes: int,
        masks: bool = False,
        regions_per_image: int = 512,
        channels: int = feature_pyramid.CHANNELS,
        dtype_policy: str | None = None,
    ):
        super().__init__(name="detector", dtype="float32")
        self.num_classes, self.regions_per_image = num_classes, regions_per_image
        self.pyramid = feature_pyramid.build(backbone, channels, dtype_policy)
        self._levels = feature_pyramid.strides_of(backbone)
        strides = [*self._levels, 2 * self._levels[-1]]
        self._proposals = proposals.ProposalNetwork(strides, channels, dtype_policy)
        self.proposal_head = self._proposals.head
        self.box_head = heads.box_head(channels, num_classes, _BOX_BINS, dtype_policy)
        self.mask_head = None
        if masks:
            self.mask_head = heads.mask_head(channels, num_classes, _MASK_BINS, dtype_policy)
        kinds = ["objectness", "proposal_boxes", "classes", "boxes", *["masks"] * masks]
        self._loss = keras.metrics.Mean(name="loss")
        self._parts = {kind: keras.metrics.Mean(name=f"{kind}_loss") for kind in kinds}
        self.built = True

    @property
    def multiple(self) -> int:
        """What height and width of the images must be multiples of."""
        return self._levels[-1]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, then its parts: means over what was sampled."""
        return [self._loss, *self._parts.values()]

    @property
    def watched(self) -> list[keras.metrics.Metric]:
        """The metrics that show whether training goes wrong: the loss, then its parts."""
        return self.metrics

    def losses_of(
        self, batch: Mapping[str, tf.Tensor], training: bool = False
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The sums of the losses of a batch, and the number of terms in each.

        Returns:
          Two dicts of scalars, by the kinds of loss.
        """
        targets = Targets.of(batch)
        pyramid, sampled, sums, counts = self._sample(batch, training)
        sums |= self._box_losses(pyramid, sampled, training)
        if self.mask_head:
            sums["masks"] = self._mask_loss(pyramid, sampled.objects(), targets, training)
        return sums, counts

    def counts_of(
        self, batch: Mapping[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """The counts of `losses_of`, without the work of the second stage."""
        return self._sample(batch, training)[-1]

    def _sample(self, batch, training):
        """The pyramid, the regions of the second stage, the proposals' losses, and all counts."""
        targets = Targets.of(batch)
        pyramid = self._features(batch["images"], training)
        predictions = self._proposals.predict(pyramid, training)
        sums, anchors = self._proposals.losses(predictions, targets)
        found = self._proposals.propose(
            predictions, batch["sizes"], _TRAINED_CANDIDATES, _PROPOSALS
        )
        sampled = regions.sample(*found, targets, self.num_classes, self.regions_per_image)
        chosen = tf.math.count_nonzero(sampled.chosen, dtype=tf.float32)
        counts = dict.fromkeys(["objectness", "proposal_boxes"], anchors)
        counts |= dict.fromkeys(["classes", "boxes"], chosen)
        if self.mask_head:
            counts["masks"] = tf.math.count_nonzero(sampled.is_object, dtype=tf.float32)
        return pyramid, sampled, sums, counts

    def detect(self, images: tf.Tensor, sizes: tf.Tensor, count: int = 100) -> dict[str, tf.Tensor]:
        """The objects that are detected in images.

        Args:
          images: `[B, H, W, 3]` normalised, padded to multiples of `multiple`.
          sizes: `[B, 2]` height and width without the padding.
          count: detections an image at most.

        Returns:
          `{"boxes": [B, count, 4], "scores": [B, count], "classes": [B, count] int32, "valid":
          [B, count] bool}`, highest score first; and of Mask R-CNN "masks", `[B, count, 28, 28]`
          probabilities within each box.  Zeros where there are fewer.
        """
        pyramid = self._features(images, training=False)
        predictions = self._proposals.predict(pyramid)
        boxes, valid = self._proposals.propose(predictions, sizes, _SERVED_CANDIDATES, _PROPOSALS)
        batch = tf.shape(boxes)[0]
        features = self._aligned(
            pyramid,
            tf.reshape(boxes, [-1, 4]),
            tf.repeat(tf.range(batch), _PROPOSALS),
            _BOX_BINS,
        )
        logits, codes = self.box_head(features, training=False)
        scores = tf.nn.softmax(logits)[:, : self.num_classes]
        scores = tf.reshape(scores, [batch, _PROPOSALS, self.num_classes])
        codes = tf.reshape(codes, [batch, _PROPOSALS, self.num_classes, 4])
        found = suppression.keep_detections(
            regions.decode(codes, boxes, sizes),
            tf.where(valid[..., None], scores, 0.0),
            count,
            _SUPPRESSION,
            _LEAST_SCORE,
        )
        return {**found, "masks": self._drawn(pyramid, found)} if self.mask_head else found

    def _features(self, images, training):
        levels = self.pyramid(images, training=training)
        return {int(stride): features for stride, features in levels.items()}

    def _aligned(self, pyramid, boxes, images, bins):
        """Features of boxes `[N, 4]`; the level that the pyramid adds is for proposals alone."""
        levels = {stride: pyramid[stride] for stride in self._levels}
        return roi_align.pyramid_align(levels, boxes, images, bins)

    def _box_losses(self, pyramid, sampled, training):
        features = self._aligned(pyramid, sampled.boxes, sampled.images, _BOX_BINS)
        logits, codes = self.box_head(features, training=training)
        of_class = tf.minimum(sampled.classes, self.num_classes - 1)
        own_codes = boxes_lib.encode(sampled.own, sampled.boxes, regions.CODE_WEIGHTS)
        codes = tf.gather(codes, of_class, batch_dims=1)
        return {
            "classes": losses.classes(logits, sampled.classes, sampled.chosen),
            "boxes": losses.box_codes(codes, own_codes, sampled.is_object, losses.BOX_BETA),
        }

    def _mask_loss(self, pyramid, objects, targets, training):
        features = self._aligned(pyramid, objects.boxes, objects.images, _MASK_BINS)
        logits = _of_class(self.mask_head(features, training=training), objects.classes)
        own = regions.mask_targets(targets.masks, objects, 2 * _MASK_BINS)
        return losses.masks(logits, own, objects.is_object)

    def _drawn(self, pyramid, found):
        """`[B, count, 28, 28]` probabilities; the mask head runs on detections alone."""
        positions = tf.where(found["valid"])
        missing = tf.cast(tf.shape(positions)[0] == 0, tf.int32)
        positions = tf.pad(positions, [[0, missing], [0, 0]])
        positions = tf.cast(positions, tf.int32)
        boxes, classes, valid = (
            tf.gather_nd(found[each], positions) for each in ("boxes", "classes", "valid")
        )
        features = self._aligned(pyramid, boxes, positions[:, 0], _MASK_BINS)
        logits = _of_class(self.mask_head(features, training=False), classes)
        # The region that only keeps the batch from being empty has no mask.
        drawn = tf.where(valid[:, None, None], tf.sigmoid(logits), 0.0)
        shape = tf.concat([tf.shape(found["valid"]), [2 * _MASK_BINS] * 2], axis=0)
        return tf.scatter_nd(positions, drawn, shape)


def _of_class(masks, classes):
    """`[N, S, S]` of `[N, S, S, C]`: each region's own class."""
    of_class = tf.minimum(classes, masks.shape[-1] - 1)
    return tf.gather(tf.transpose(masks, [0, 3, 1, 2]), of_class, batch_dims=1)
