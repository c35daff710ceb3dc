"""A folder of images with annotations in COCO's format, in any layout of `layouts`."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.detection.coco import annotations as coco_annotations, layouts
from kdcl_tf.detection.coco.image_names import ImageNames
from kdcl_tf.detection.scenes import dataset as scenes_lib
from kdcl_tf.files import spelling

_OTHER = {"train": "test", "test": "train"}
# What a run may do without masks; a detector that was trained may not.
_OR_BOXES = ", or pass detector=faster, which needs boxes alone"


def read(
    path: str,
    masks: bool,
    named: layouts.NamedFiles = layouts.NamedFiles(),
    needs_test: bool = True,
) -> scenes_lib.SceneDataset:
    """Reads the annotations of a folder, and looks for every image, but opens none.

    Images without boxes are kept, as background; a box that is partly outside its image is
    cut off at the border; polygons, both kinds of RLE and crowds are read. Boxes of which
    no area is inside the image are left out and counted, and so are polygons of fewer than 3
    corners beside others. Refused are what
    `annotations.read` refuses, and an image whose file is missing. An image of another size
    than annotated is refused when it is decoded. A category that is only the supercategory of
    others, and annotated in neither split, is no class.

    Args:
      path: the folder.
      masks: whether the objects' masks are read.
      named: files of annotations and folders of images that go before the layout's.
      needs_test: whether the validation images are read, too, and refused where there are none;
        otherwise there are no test scenes, and only which categories a validation file annotates
        is read, where there is one and that decides the classes.

    Returns:
      The scenes; classes in the order of COCO's category ids.

    Raises:
      FileNotFoundError: the folder, an annotation file or an image is missing, or the folder
        has no known layout.
      NotADirectoryError: the folder is a file.
      ValueError: in one line that names the file and the annotation's or image's id.
    """
    root = _root(path)
    splits = ("train", "test") if needs_test else ("train",)
    files = {split: layouts.find(root, split, named) for split in splits}
    instances = {
        split: coco_annotations.read(each.annotations, masks, _OR_BOXES)
        for split, each in files.items()
    }
    groups = frozenset.intersection(*(each.groups for each in instances.values()))
    if needs_test:
        _check_categories(**instances)
    else:
        groups = _annotated_nowhere(groups, layouts.find_or_none(root, "test", named))
    scenes = {split: _scenes(files[split], each, groups) for split, each in instances.items()}
    test = scenes["test"] if needs_test else scenes["train"].none()
    return scenes_lib.SceneDataset(f"coco:{path}", scenes["train"], test)


def read_split(
    path: str,
    split: str,
    masks: bool,
    named: layouts.NamedFiles = layouts.NamedFiles(),
    known: Sequence[str] = (),
) -> scenes_lib.Scenes:
    """As `read`, of one split alone: nothing of the other one needs to be there.

    Args:
      split: "train" or "test".
      known: names of classes; a category of such a name is one even if this split, too, has it
        only as the supercategory of others. Without any, the other split's file tells where it is
        there.
    """
    root = _root(path)
    files = layouts.find(root, split, named)
    instances = coco_annotations.read(files.annotations, masks)
    groups = instances.groups - _classes_among(instances, known)
    if not known:
        other = layouts.find_or_none(root, _OTHER[split], named)
        groups = _annotated_nowhere(groups, other)
    return _scenes(files, instances, groups)


def _annotated_nowhere(groups, other):
    """Those groups of one split that the other one's file, if it is there, does not annotate."""
    if groups and other and other.annotations.is_file():
        groups -= coco_annotations.annotated(other.annotations)
    return groups


def _root(path):
    root = pathlib.Path(path).expanduser()
    expected = f"expected a folder of COCO's images and annotations; got '{root}'"
    if not root.exists():
        raise FileNotFoundError(f"{expected}, which is not there")
    if not root.is_dir():
        raise NotADirectoryError(
            f"{expected}, which is a file: pass dataset=coco:FOLDER, and name annotations of another"
            " layout: pass train_annotations=FILE or pass validation_annotations=FILE"
        )
    return root


def _classes_among(instances, known):
    """Ids of the groups that are called as a known class, and as none of the file's own."""
    pairs = list(zip(instances.category_ids, instances.class_names))
    own = {name for number, name in pairs if number not in instances.groups}
    classes = {spelling.composed(name) for name in known} - own
    return {number for number, name in pairs if number in instances.groups and name in classes}


def _check_categories(train, test):
    pairs = [set(zip(each.category_ids, each.class_names)) for each in (train, test)]
    for number, name in sorted(pairs[0] ^ pairs[1]):
        with_it, without = (train, test) if (number, name) in pairs[0] else (test, train)
        raise ValueError(
            f"expected the same categories in both files; got category {number} {name!r} in "
            f"'{with_it.file}' and not in '{without.file}'"
        )


def _images(files, instances):
    """Where the images are: `storage.Files`."""
    if not len(instances.ids):
        raise ValueError(f"'{instances.file}': expected at least 1 image; got none")
    names = _place_of(instances.names, files.folders)
    folder = names.folder
    found = [names.find(name) for name in instances.names]
    missing = [index for index, name in enumerate(found) if not name]
    if missing:
        first = missing[0]
        raise FileNotFoundError(
            f"{len(missing)} of the {len(found)} images of '{instances.file}' are not in"
            f" '{folder}', the first is '{instances.names[first]}' of id {instances.ids[first]}:"
            " fetch them, or remove them from the annotations, or pass"
            f" {files.name}_annotations=FILE and pass {files.name}_images=FOLDER"
        )
    if any(map(os.path.isabs, found)):
        found = [os.path.join(os.path.abspath(folder), name) for name in found]
        folder = os.path.commonpath([os.path.dirname(name) for name in found])
        found = [os.path.relpath(name, folder) for name in found]
    return storage.Files(str(folder), np.array([os.fsencode(name) for name in found]))


def _place_of(names, folders):
    """`ImageNames` of the folder with the first image that is found, or else of one that lacks all."""
    places = [ImageNames(folder) for folder in folders]
    for name in names:
        for place in places:
            if place.find(name):
                return place
    # The last is that of the whole data set, if there are several.
    return next((place for place in places[:-1] if place.folder.is_dir()), places[0])


def _scenes(files, instances, groups):
    instances = instances.without(groups)
    scenes = scenes_lib.arranged(
        images=_images(files, instances),
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
        dropped_parts=instances.dropped_parts,
    )
    if scenes.crowds.all():
        remedy = f" (iscrowd 1); {scenes_lib.NO_CROWDS}" if len(scenes.crowds) else ""
        raise ValueError(
            f"'{instances.file}': expected at least 1 box of an object; got none, and "
            f"{len(scenes.boxes)} of crowds{remedy}"
        )
    return scenes
