"""COCO's own evaluation, pycocotools', of detections in scenes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import coco as coco_lib, cocoeval, mask as coco_mask

from kdcl_tf.detection.scenes import dataset as scenes_lib, segmentations

# Positions of the figures in COCOeval's `stats`.
_STATISTICS = {
    "ap": 0, "ap50": 1, "ap75": 2, "ap_small": 3, "ap_medium": 4, "ap_large": 5,
    "ar1": 6, "ar10": 7, "ar100": 8, "ar_small": 9, "ar_medium": 10, "ar_large": 11,
}  # fmt: skip


class CocoScorer:
    """Collects the detections in scenes and compares them with the annotations.

        scorer = CocoScorer(dataset.test)
        scorer.add(image_id, boxes, scores, classes)
        scorer.result()["box_ap"]

    Attributes:
      scenes: `Scenes`; an image that is never added has no detections.
      masks: whether masks are judged too.
    """

    def __init__(self, scenes: scenes_lib.Scenes, masks: bool = False):
        if masks and scenes.segmentations is None:
            raise ValueError("masks: expected scenes with masks; got some that were loaded without")
        self.scenes = scenes
        self.masks = masks
        self._indices = {int(number): index for index, number in enumerate(scenes.ids)}
        self._found = {}

    def add(
        self,
        image_id: int,
        boxes: np.ndarray,
        scores: np.ndarray,
        classes: np.ndarray,
        masks: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        """Takes the n detections in an image; n may be 0, and only the best 100 of a class count.

        Args:
          image_id: COCO's number of the image.
          boxes: `[n, 4]`, `[x1, y1, x2, y2]` in pixels of the file.
          scores: `[n]`, of which only the order counts.
          classes: `[n]` integers in 0..C-1.
          masks: n RLEs of `masks.encode`, when masks are judged.

        Raises:
          ValueError: for an unknown image, or one that was added before; arrays of unequal
            length, out of range or not finite; masks where none are judged.
        """
        boxes = np.asarray(boxes, np.float64).reshape([-1, 4])
        scores, classes = np.asarray(scores, np.float64), np.asarray(classes, np.int64)
        self._check_image(int(image_id))
        self._check_values(boxes, scores, classes, masks)
        self._found[int(image_id)] = boxes, scores, classes, masks

    def detections(self) -> list[dict[str, Any]]:
        """COCO's list of results, which `json.dumps` accepts, and COCO's server.

        In the order of the images; `bbox` is `[x, y, width, height]`.
        """
        results = []
        for number in self._indices:
            if number in self._found:
                results.extend(self._results(number))
        return results

    def result(self) -> dict[str, float | None]:
        """COCO's figures, in 0..1; None where no annotation is of that size.

        Returns:
          `box_ap` (mean of the thresholds 0.50, 0.55 ... 0.95), `box_ap50`, `box_ap75`,
          `box_ap_small`, `box_ap_medium`, `box_ap_large`; `box_ar1`, `box_ar10`, `box_ar100`
          (recall of the best 1, 10 and 100 of a class in an image), `box_ar_small`,
          `box_ar_medium`, `box_ar_large` (of the best 100); and `box_ap/NAME` of each class,
          None where no object is of it; with masks the same of `mask_`.
        """
        # COCOeval prints, and knows no other way.
        with contextlib.redirect_stdout(io.StringIO()):
            truth = self._index(self._truth())
            found = self._judged(truth, "box", "bbox")
            return found | (self._judged(truth, "mask", "segm") if self.masks else {})

    def _check_image(self, image_id):
        if image_id not in self._indices:
            raise ValueError(
                f"image_id: expected one of the {len(self.scenes)} scenes; got {image_id}"
            )
        if image_id in self._found:
            raise ValueError(f"image_id: expected each image once; got {image_id} again")

    def _check_values(self, boxes, scores, classes, masks):
        lengths = [len(boxes), len(scores), len(classes)]
        lengths += [] if masks is None else [len(masks)]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"boxes, scores, classes, masks: expected equal lengths; got {lengths}"
            )
        if (masks is not None) != self.masks:
            raise ValueError(
                f"masks: expected {'some' if self.masks else 'none'}, as in __init__; got "
                f"{'none' if masks is None else 'some'}"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ValueError("boxes, scores: expected finite values; got NaN or infinity")
        count = len(self.scenes.category_ids)
        if len(classes) and not (0 <= classes.min() and classes.max() < count):
            got = f"{classes.min()}..{classes.max()}"
            raise ValueError(f"classes: expected 0..{count - 1}; got {got}")

    def _results(self, image_id):
        boxes, scores, classes, masks = self._found[image_id]
        sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
        for number, (box, score, each) in enumerate(zip(sides, scores.tolist(), classes)):
            result = {
                "image_id": image_id,
                "category_id": self.scenes.category_ids[each],
                "bbox": box,
                "score": score,
            }
            yield result if masks is None else {**result, "segmentation": masks[number]}

    def _truth(self):
        """The scenes as COCO's annotations.

        Numbered from 1, because COCOeval takes one of number 0 for no match.
        """
        scenes = self.scenes
        owners = np.repeat(np.arange(len(scenes)), scenes.counts)
        sides = np.concatenate([scenes.boxes[:, :2], scenes.boxes[:, 2:] - scenes.boxes[:, :2]], 1)
        truth = []
        for number, owner in enumerate(owners):
            annotation = {
                "id": number + 1,
                "image_id": int(scenes.ids[owner]),
                "category_id": scenes.category_ids[scenes.classes[number]],
                "bbox": sides[number].tolist(),
                "area": float(scenes.areas[number]),
                "iscrowd": int(scenes.crowds[number]),
            }
            if self.masks:
                height, width = (int(side) for side in scenes.sizes[owner])
                coded = segmentations.rle(scenes.segmentations[number], height, width)
                annotation["segmentation"] = coded
            truth.append(annotation)
        return truth

    def _index(self, annotations):
        """Annotations or results as an object of pycocotools, indexed."""
        scenes, coco = self.scenes, coco_lib.COCO()
        coco.dataset = {
            "images": [
                {"id": int(number), "height": int(height), "width": int(width)}
                for number, (height, width) in zip(scenes.ids, scenes.sizes)
            ],
            "categories": [
                {"id": number, "name": name}
                for number, name in zip(scenes.category_ids, scenes.class_names)
            ],
            "annotations": annotations,
        }
        coco.createIndex()
        return coco

    def _judged(self, truth, prefix, kind):
        """The figures of boxes, or of masks, whose size is that of the mask."""
        results = [
            {**each, "id": number + 1, "iscrowd": 0, "area": _area(each, kind)}
            for number, each in enumerate(self.detections())
        ]
        evaluation = cocoeval.COCOeval(truth, self._index(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        found = {name: _figure(evaluation.stats[place]) for name, place in _STATISTICS.items()}
        # [thresholds, recalls, classes, sizes of objects, most detections]: all sizes, best 100.
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        for number, name in enumerate(self.scenes.class_names):
            found[f"ap/{name}"] = _figure(precision[:, :, number].mean())
        return {f"{prefix}_{name}": value for name, value in found.items()}


def _figure(value):
    """A figure of COCOeval, which writes -1 for what cannot be measured."""
    return float(value) if value >= 0 else None


def _area(result, kind):
    if kind == "bbox":
        return result["bbox"][2] * result["bbox"][3]
    return float(coco_mask.area(result["segmentation"]))
