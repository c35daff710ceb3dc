"""A folder of COCO 2017: PATH/train2017, PATH/val2017, PATH/annotations/instances_*.json."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.detection.coco import annotations as coco_annotations
from kdcl_tf.detection.scenes import dataset as scenes_lib

# What is trained on and what is tested on, as COCO calls them.
SPLITS = {"train": "train2017", "test": "val2017"}


def read(path: str, masks: bool) -> scenes_lib.SceneDataset:
    """Reads the annotations of a folder, and looks for every image, but opens none.

    Images without boxes are kept, as background; a box that is partly outside its image is
    cut off at the border; polygons, both kinds of RLE and crowds are read. Boxes of which
    no area is inside the image are left out and counted. Refused are what
    `annotations.read` refuses, and an image whose file is missing. An image of another size
    than annotated is refused when it is decoded.

    Args:
      path: the folder.
      masks: whether the objects' masks are read.

    Returns:
      The scenes; classes in the order of COCO's category ids.

    Raises:
      FileNotFoundError: the folder, an annotation file or an image is missing.
      ValueError: in one line that names the file and the annotation's or image's id.
    """
    root = _root(path)
    train, test = (_instances(root, split, masks) for split in SPLITS)
    _check_categories(train, test)
    train, test = (_scenes(root, *each) for each in zip(SPLITS, (train, test)))
    return scenes_lib.SceneDataset(f"coco:{path}", train, test)


def read_split(path: str, split: str, masks: bool) -> scenes_lib.Scenes:
    """`read`, of one split alone: nothing of the other one needs to be there.

    Args:
      split: "train" or "test".
    """
    root = _root(path)
    return _scenes(root, split, _instances(root, split, masks))


def _root(path):
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"folder '{root}' is not there")
    return root


def _instances(root, split, masks):
    return coco_annotations.read(root / "annotations" / f"instances_{SPLITS[split]}.json", masks)


def _check_categories(train, test):
    pairs = [set(zip(each.category_ids, each.class_names)) for each in (train, test)]
    for number, name in sorted(pairs[0] ^ pairs[1]):
        with_it, without = (train, test) if (number, name) in pairs[0] else (test, train)
        raise ValueError(
            f"expected the same categories in both files; got category {number} {name!r} in "
            f"'{with_it.file}' and not in '{without.file}'"
        )


def _check_images(folder, instances):
    if not len(instances.ids):
        raise ValueError(f"'{instances.file}': expected at least 1 image; got none")
    # Listing a folder takes a second; asking for each of 118,000 files takes a minute.
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [
        index
        for index, name in enumerate(instances.names)
        if name not in there and not ("/" in name and (folder / name).is_file())
    ]
    if missing:
        first = missing[0]
        raise FileNotFoundError(
            f"{len(missing)} of the {len(instances.names)} images of '{instances.file}' are not in"
            f" '{folder}', the first is '{instances.names[first]}' of id {instances.ids[first]}:"
            " fetch them, or remove them from the annotations"
        )


def _scenes(root, split, instances):
    folder = root / SPLITS[split]
    _check_images(folder, instances)
    names = np.array([os.fsencode(name) for name in instances.names])
    scenes = scenes_lib.arranged(
        images=storage.Files(str(folder), names),
        ids=instances.ids,
        sizes=instances.sizes,
        owners=instances.owners,
        boxes=instances.boxes,
        classes=instances.classes,
        crowds=instances.crowds,
        areas=instances.areas,
        annotation_ids=instances.annotation_ids,
        segmentations=instances.segmentations,
        category_ids=instances.category_ids,
        class_names=instances.class_names,
    )
    if scenes.crowds.all():
        raise ValueError(
            f"'{instances.file}': expected at least 1 box of an object; got none, and "
            f"{len(scenes.boxes)} of crowds"
        )
    return scenes
