"""What a detector has found in one image, in pixels of its file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kdcl_tf.detection.scenes import masks as masks_lib

if TYPE_CHECKING:
    from kdcl_tf.detection.coco.scorer import CocoScorer


@dataclasses.dataclass(frozen=True)
class Found:
    """n detections, highest score first.

    Attributes:
      boxes: `[n, 4]`, inside the image.
      scores: `[n]`, 0..1.
      classes: `[n]` int.
      masks: `[n, S, S]` probabilities within each box, or None.
      height, width: of the image.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: np.ndarray | None
    height: int
    width: int

    def pasted(self) -> np.ndarray | None:
        """`[n, height, width]` uint8 masks, or None."""
        if self.masks is None:
            return None
        return masks_lib.paste(self.masks, self.boxes, self.height, self.width)

    def add_to(self, scorer: CocoScorer, image_id: int) -> None:
        """Adds the detections, which are those of the image `image_id`, to a scorer."""
        coded = None
        if self.masks is not None:
            coded = [masks_lib.encode(mask) for mask in self.pasted()]
        scorer.add(image_id, self.boxes, self.scores, self.classes, coded)

    def of_at_least(self, score: float) -> Found:
        """The detections of at least this score."""
        kept = self.scores >= score
        masks = None if self.masks is None else self.masks[kept]
        return dataclasses.replace(
            self,
            boxes=self.boxes[kept],
            scores=self.scores[kept],
            classes=self.classes[kept],
            masks=masks,
        )


def split(batch: Mapping[str, Any]) -> Iterator[tuple[int, Found]]:
    """Divides a batch of `Detector.detect` into its images.

    Args:
      batch: its dict, with `ids` `[B]`, and `sizes` and `original_sizes` `[B, 2]`, of the
        scaled images and of their files.

    Yields:
      (number of the image, `Found`).
    """
    batch = {name: np.asarray(value) for name, value in batch.items()}
    for row, image_id in enumerate(batch["ids"]):
        valid = batch["valid"][row].astype(bool)
        original = batch["original_sizes"][row]
        scale = np.tile((original / batch["sizes"][row])[::-1], 2)
        yield (
            int(image_id),
            Found(
                boxes=batch["boxes"][row][valid] * scale,
                scores=batch["scores"][row][valid],
                classes=batch["classes"][row][valid],
                masks=batch["masks"][row][valid] if "masks" in batch else None,
                height=int(original[0]),
                width=int(original[1]),
            ),
        )
