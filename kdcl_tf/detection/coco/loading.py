"""From a data set's name to a `SceneDataset`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdcl_tf.data.sources import names
from kdcl_tf.detection.coco.layouts import NamedFiles

if TYPE_CHECKING:
    from kdcl_tf.detection.scenes import dataset as scenes

_PREFIX = "coco:"
_TFDS_NAME = re.compile(r"coco/2017(:(\d+|\*)\.(\d+|\*)\.(\d+|\*))?")


def validate_name(name: str, named: NamedFiles = NamedFiles()) -> None:
    """Checks how a data set's name is written, without looking it up.

    Args:
      name: `coco:PATH` or `coco/2017`, perhaps with `:VERSION`.
      named: files of it, which only a folder can have.

    Raises:
      ValueError: when it is neither, or the files do not fit.
    """
    named.check()
    if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).strip():
        return
    if named:
        raise ValueError(
            f"data set: expected coco:PATH, as files of annotations or images are named; got {name!r}"
        )
    if not _TFDS_NAME.fullmatch(name):
        raise ValueError(
            "data set: expected coco:PATH, a folder of images with COCO's annotations, or coco/2017 "
            f"of TFDS; got {name!r}{names.path_hint(name, 'coco')}"
        )


def load(
    name: str,
    data_dir: str | None = None,
    masks: bool = False,
    named: NamedFiles = NamedFiles(),
    needs_test: bool = True,
) -> scenes.SceneDataset:
    """Reads a data set's annotations and finds its images, which stay encoded on disk.

    Args:
      name: as in `validate_name`.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default. Only for
        `coco/2017`.
      masks: whether the masks of objects are read; `coco/2017` has none.
      named: files of annotations and folders of images of `coco:PATH`, where no layout fits.
      needs_test: whether the validation images are read, too, and refused where there are none;
        otherwise there are no test scenes.

    Raises:
      ValueError: for an unknown name, or damaged or contradictory annotations.
      FileNotFoundError: when the data is not there and cannot be downloaded.
    """
    validate_name(name, named)
    if name.startswith(_PREFIX):
        from kdcl_tf.detection.coco import folder as coco_folder

        return coco_folder.read(name.removeprefix(_PREFIX).strip(), masks, named, needs_test)
    from kdcl_tf.detection.coco import tfds as coco_tfds

    return coco_tfds.read(name, data_dir, masks, needs_test)


def load_split(
    name: str,
    split: str,
    data_dir: str | None = None,
    masks: bool = False,
    named: NamedFiles = NamedFiles(),
    known: Sequence[str] = (),
) -> scenes.Scenes:
    """As `load`, of one split alone; of a folder, the other split need not be there.

    Args:
      split: "train" or "test".
      known: names of the classes of a detector, which are classes here, too, where the other
        split may be the one that has them.
    """
    validate_name(name, named)
    if name.startswith(_PREFIX):
        from kdcl_tf.detection.coco import folder as coco_folder

        path = name.removeprefix(_PREFIX).strip()
        return coco_folder.read_split(path, split, masks, named, known)
    from kdcl_tf.detection.coco import tfds as coco_tfds

    return coco_tfds.read_split(name, data_dir, split, masks)
