"""Where a folder keeps the annotations and images of a split: COCO's own layout, and others'.

- COCO: annotations in `annotations/instances_train2017.json` and `..._val2017.json`, also of 2014
  or without a year; images in `train2017` and `val2017`, also in `images`.
- Roboflow: annotations in `train/_annotations.coco.json`, `valid/...` and `test/...`; images beside
  them.
- CVAT: annotations in `annotations/instances_default.json`, or `..._Train.json` and
  `..._Validation.json`; images in `images`, also in a folder of the subset's name.

In all of them, images may also be where their names lead from the data set's folder, as
`train2017/1.jpg` does.  A file of annotations that is named by itself needs no layout.
"""

from __future__ import annotations

import dataclasses
import pathlib

# What tells the two splits of a data set apart here, and in messages.
SPLITS = {"train": "train", "test": "validation"}


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """The files of one split.

    Attributes:
      annotations: the file of instances.
      folders: where its images may be; the first that has the first image is taken.
      name: what the split is called in flags and messages, "train" or "validation".
    """

    annotations: pathlib.Path
    folders: tuple[pathlib.Path, ...]
    name: str


@dataclasses.dataclass(frozen=True)
class NamedFiles:
    """Files and folders that a user names, "" where the layout decides.

    A path is looked for in the data set's folder first, then from the current one.  A file of
    annotations without a folder of images has its images beside it.
    """

    train_images: str = ""
    train_annotations: str = ""
    validation_images: str = ""
    validation_annotations: str = ""

    def __bool__(self) -> bool:
        return any(dataclasses.astuple(self))

    def check(self) -> None:
        """Raises ValueError for images without annotations."""
        for split in SPLITS.values():
            images, annotations = self._of(split)
            if images and not annotations:
                raise ValueError(
                    f"{split}_images={images}: expected {split}_annotations, the file that "
                    "describes them; got none"
                )

    def find(self, root: pathlib.Path, split: str) -> SplitFiles | None:
        """The files of a split, "train" or "test", or None when none are named."""
        images, annotations = self._of(SPLITS[split])
        if not annotations:
            return None
        annotations = _existing(root, annotations)
        folder = _existing(root, images) if images else annotations.parent
        return SplitFiles(annotations, (folder,), SPLITS[split])

    def annotations_of(self, split: str) -> str:
        """The file of annotations that is named for a split, "train" or "test"; "" for none."""
        return self._of(SPLITS[split])[1]

    def _of(self, split):
        return getattr(self, f"{split}_images"), getattr(self, f"{split}_annotations")


def find(root: pathlib.Path, split: str, named: NamedFiles = NamedFiles()) -> SplitFiles:
    """The files of a split of a folder.

    Args:
      root: the folder.
      split: "train" or "test".
      named: files that go before those of the layout.

    Raises:
      FileNotFoundError: in one line, when no layout fits, or the one that fits has no such split.
    """
    files = find_or_none(root, split, named)
    if files:
        return files
    layout, name = _layout(root), SPLITS[split]
    if layout:
        raise FileNotFoundError(
            f"'{root}' is laid out as {layout}: expected "
            f"'{_choices(layout, split)[0][0]}' for the {name} images; got none of that name: add "
            f"it, or pass {name}_annotations=FILE{_OR_ON_TRAIN[split]}"
        )
    raise FileNotFoundError(
        f"'{root}': expected annotations/instances_train2017.json and train2017 (COCO), "
        "train/_annotations.coco.json (Roboflow), or annotations/instances_default.json and images "
        f"(CVAT); got none of these: pass {name}_annotations=FILE and pass {name}_images=FOLDER"
        f"{_OR_ON_TRAIN[split]}"
    )


def find_or_none(root: pathlib.Path, split: str, named: NamedFiles) -> SplitFiles | None:
    """As `find`, but None where the split has no files."""
    files, layout = named.find(root, split), _layout(root)
    if files or not layout:
        return files
    for listed, folders in _choices(layout, split):
        if (root / listed).is_file():
            places = tuple(root / each for each in (*folders, ""))
            return SplitFiles(root / listed, places, SPLITS[split])
    return None


_OR_ON_TRAIN = {"train": "", "test": ", or pass evaluate_on=train"}


def _coco(split, year):
    name = f"{split}{year}"
    return f"annotations/instances_{name}.json", (name, f"images/{name}", "images")


def _roboflow(split):
    return f"{split}/_annotations.coco.json", (split,)


def _cvat(subset):
    return f"annotations/instances_{subset}.json", ("images", f"images/{subset}", subset)


# By layout and split: files of annotations, and the folders of their images.  The first file
# that is there counts.
_LAYOUTS = {
    **{
        f"COCO {year}".strip(): {
            "train": (_coco("train", year),),
            "test": (
                _coco("val", year),
                *([_coco("validation", ""), _coco("test", "")] * (not year)),
            ),
        }
        for year in ("2017", "2014", "")
    },
    "Roboflow": {"train": (_roboflow("train"),), "test": (_roboflow("valid"), _roboflow("test"))},
    "CVAT": {
        "train": (_cvat("Train"), _cvat("default")),
        "test": (_cvat("Validation"), _cvat("Test")),
    },
}


def _layout(root):
    """The name of the first layout of which a file is there, or None."""
    for layout, splits in _LAYOUTS.items():
        for choices in splits.values():
            if any((root / annotations).is_file() for annotations, _ in choices):
                return layout
    return None


def _choices(layout, split):
    return _LAYOUTS[layout][split]


def _existing(root, path):
    """A user's path: in the folder, or else from the current one."""
    path = pathlib.Path(path).expanduser()
    return root / path if (root / path).exists() or not path.exists() else path
