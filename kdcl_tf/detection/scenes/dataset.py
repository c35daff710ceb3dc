"""Scenes: images in which every object has a box, a class and perhaps a mask."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.detection.scenes import segmentations as segmentations_lib

# What to do where objects are listed as crowds, in messages.
NO_CROWDS = "CVAT writes brush masks so: set iscrowd to 0 where each is one object"
# The share of annotations from which that is likely; of COCO's own 1 in 100 is a crowd.
_MANY_CROWDS = 0.25


@dataclasses.dataclass(frozen=True, eq=False)
class Scenes:
    """N annotated images, which stay encoded on disk, in a fixed order.

    Annotations of image i are at `offsets[i] : offsets[i + 1]` of the A of all images.
    Boxes are `[x1, y1, x2, y2]` in pixels of the file, x2 = x1 + width.

    Attributes:
      images: `storage.Files` or `storage.TFRecords` of N images.
      ids: `[N]` int64, COCO's numbers of the images.
      sizes: `[N, 2]` int32, (height, width) in pixels.
      offsets: `[N + 1]` int64.
      boxes: `[A, 4]` float32, inside their image, with an area.
      classes: `[A]` int32 in 0..C-1.
      crowds: `[A]` bool, whether a box is around many objects that nobody counted.
      areas: `[A]` float32, square pixels of the objects, not of their boxes.
      annotation_ids: `[A]` int64.
      segmentations: `[A]` polygons or RLEs; None where the scenes have none or they were
        not asked for.
      category_ids: `[C]`, COCO's number of each class.
      class_names: `[C]`.
      dropped_ids: `[D]` int64, annotations without area inside their image, which are in
        none of the arrays above; of the whole split, also after `take`.
      dropped_parts: the annotation of each polygon that is left out since it has fewer than 3
        corners; of the whole split, too.
      rules: how large an encoded image may be, and whether it is turned upright.
    """

    images: storage.Files | storage.TFRecords
    ids: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    crowds: np.ndarray
    areas: np.ndarray
    annotation_ids: np.ndarray
    segmentations: segmentations_lib.Packed | None
    category_ids: tuple[int, ...]
    class_names: tuple[str, ...]
    dropped_ids: np.ndarray
    dropped_parts: tuple[int, ...] = ()
    rules: ImageRules = ImageRules()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def counts(self) -> np.ndarray:
        """`[N]` int64: how many annotations each image has."""
        return np.diff(self.offsets)

    def annotations(self, index: int) -> slice:
        """Where the annotations of one image are."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def take(self, indices) -> Scenes:
        """The images at `indices`, an array or a slice, in that order."""
        indices = np.arange(len(self))[indices]
        counts = self.counts[indices]
        ends = np.cumsum(counts)
        # The first annotation of each image, then 0, 1, 2, ... from there.
        kept = np.repeat(self.offsets[indices] - (ends - counts), counts) + np.arange(counts.sum())
        flat = {name: getattr(self, name)[kept] for name in _FLAT}
        masks = self.segmentations
        return dataclasses.replace(
            self,
            images=self.images.take(indices),
            ids=self.ids[indices],
            sizes=self.sizes[indices],
            offsets=np.concatenate([[0], ends]).astype(np.int64),
            segmentations=None if masks is None else masks.take(kept),
            **flat,
        )

    def none(self) -> Scenes:
        """No scenes, of the same classes; nothing of them is left out."""
        nothing = {"dropped_ids": self.dropped_ids[:0], "dropped_parts": ()}
        return dataclasses.replace(self.take(slice(0)), **nothing)

    def under(self, rules: ImageRules) -> Scenes:
        """The same scenes, whose images are read by these rules."""
        images = storage.limited(self.images, rules.max_bytes)
        return dataclasses.replace(self, images=images, rules=rules)

    def warnings(self, name: str) -> tuple[str, ...]:
        """Lines where some boxes, or parts of outlines, could not be used, and many are of crowds.

        Args:
          name: what the user calls these scenes.
        """
        lines, crowds = [], int(self.crowds.sum())
        if len(self.dropped_ids):
            lines.append(
                f"{name}: {len(self.dropped_ids)} boxes are left out, since they have no area inside"
                f" their image; the first is that of annotation {self.dropped_ids[0]}"
            )
        if self.dropped_parts:
            lines.append(
                f"{name}: {len(self.dropped_parts)} polygons are left out, since they have fewer than 3 "
                f"corners; the first is one of annotation {self.dropped_parts[0]}"
            )
        if crowds > _MANY_CROWDS * len(self.crowds):
            lines.append(
                f"{name}: {crowds} of {len(self.crowds)} annotations are crowds (iscrowd 1), which "
                f"are neither learned nor scored; {NO_CROWDS}"
            )
        return tuple(lines)

    def checksum(self) -> str:
        """16 hexadecimal digits of all ids, sizes, boxes and classes, in their order."""
        digest = hashlib.sha256()
        for name in ("ids", "sizes", "offsets", *_FLAT):
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()[:16]

    def digest(self) -> dict[str, Any]:
        """What tells these scenes from others, as JSON holds it; no paths.

        `images` counts them, `annotations` is the `checksum`, `names` the SHA-256 of the images'
        names, `records` that of records, and `masks` that of segmentations where there are any;
        `categories` are the `category_ids`.
        """
        masks = {} if self.segmentations is None else {"masks": self.segmentations.digest()}
        return {
            "images": len(self),
            "annotations": self.checksum(),
            "categories": list(self.category_ids),
            **self.images.digest(),
            **masks,
        }


_FLAT = ("boxes", "classes", "crowds", "areas", "annotation_ids")


def arranged(
    images: storage.Files | storage.TFRecords,
    ids: np.ndarray,
    sizes: np.ndarray,
    owners: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    crowds: np.ndarray,
    areas: np.ndarray,
    annotation_ids: np.ndarray,
    segmentations: segmentations_lib.Packed | None,
    category_ids: Sequence[int],
    class_names: Sequence[str],
    dropped_parts: Sequence[int] = (),
) -> Scenes:
    """Scenes of annotations in any order.

    Boxes are cut off at the border of their image. Those of which no area is left are
    dropped, as a regression to a box of no width has no target: COCO's own training
    images have a few.

    Args:
      owners: `[A]` integers, the image of each annotation, a position in `ids`.
      boxes: `[A, 4]`, finite.
      others: as the attributes of `Scenes`; annotations in the order of `owners`.

    Returns:
      Scenes; annotations of an image keep their order.
    """
    boxes = clipped(boxes, sizes[owners])
    whole = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    order = np.argsort(owners, kind="stable")
    order = order[whole[order]]
    counts = np.bincount(owners[order], minlength=len(ids))
    return Scenes(
        images=images,
        ids=ids.astype(np.int64),
        sizes=sizes.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        boxes=boxes[order],
        classes=classes[order].astype(np.int32),
        crowds=crowds[order].astype(bool),
        areas=areas[order].astype(np.float32),
        annotation_ids=annotation_ids[order].astype(np.int64),
        segmentations=None if segmentations is None else segmentations.take(order),
        category_ids=tuple(int(number) for number in category_ids),
        class_names=tuple(class_names),
        dropped_ids=annotation_ids[~whole].astype(np.int64),
        dropped_parts=tuple(dropped_parts),
    )


def clipped(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes `[A, 4]` cut off at the borders of images of `sizes` `[A, 2]`, as float32."""
    borders = np.tile(sizes[:, ::-1], [1, 2])
    return np.clip(boxes.reshape([-1, 4]), 0, borders).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class SceneDataset:
    """Scenes to train on and to test on, of the same classes.

    Attributes:
      name: what the user calls it.
      train, test: `Scenes`; of `test` none where nothing is tested on it.
    """

    name: str
    train: Scenes
    test: Scenes

    def under(self, rules: ImageRules) -> SceneDataset:
        """The same scenes, whose images are read by these rules."""
        train, test = self.train.under(rules), self.test.under(rules)
        return dataclasses.replace(self, train=train, test=test)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.train.class_names

    @property
    def num_classes(self) -> int:
        """C, without the background."""
        return len(self.class_names)

    def summary(self) -> dict[str, Any]:
        """What a run should record of its data; `json.dumps` accepts it.

        Runs of the same summary see the same images and boxes.
        """
        found = {"name": self.name, "num_classes": self.num_classes}
        for split in ("train", "test"):
            scenes = getattr(self, split)
            found |= {
                f"num_{split}": len(scenes),
                f"{split}_boxes": len(scenes.boxes),
                f"{split}_crowds": int(scenes.crowds.sum()),
                f"{split}_dropped_boxes": len(scenes.dropped_ids),
                f"{split}_checksum": scenes.checksum(),
            }
        return found

    def warnings(self) -> tuple[str, ...]:
        """The lines of each split."""
        train, test = f"train of {self.name}", f"test of {self.name}"
        return (*self.train.warnings(train), *self.test.warnings(test))
