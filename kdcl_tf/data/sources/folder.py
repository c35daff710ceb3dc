"""A folder of image files: PATH/{train,test}/<class>/*.jpg, or PATH/<class>/*.jpg to be split."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.data.sources import layout, shares, source as source_lib
from kdcl_tf.files import escaping, spelling


class Split(NamedTuple):
    """The image files of a split, class after class, each class sorted.

    Attributes:
      names: paths in the data set's folder, as strings, since a million `Path`s would take
        minutes to make and half a gigabyte.
      labels: of each.
      passed_over: how many files and folders are none of these, by the reason.
    """

    names: list[str]
    labels: list[int]
    passed_over: collections.Counter


def index(
    path: str, test_share: float = 0.0, needs_train: bool = True, needs_validation: bool = True
) -> source_lib.Source:
    """Lists the images of a folder, and opens none, unless they are to be split.

    Classes are the sorted names of the folders in PATH/train; images come in sorted
    order. Files that are not images by their suffix, deeper folders and hidden ones are
    passed over. A class may be written with composed and with decomposed letters (Unicode's
    NFC and NFD), as different systems do: it is one class, under its composed name.

    Args:
      path: holds the splits, see `layout.find`, or the folders of the classes.
      test_share: of the images of each class that become the test set, see `shares`; 0 where the
        folder has a test set.
      needs_train: whether a test set alone is not enough. Otherwise training images are listed
        only to be split, and the classes are the folders of any split.
      needs_validation: whether a validation set is listed where there is one.

    Returns:
      The images as `storage.Files`. A class may be missing from test and validation.

    Raises:
      FileNotFoundError: when the folder or a split is not there.
      NotADirectoryError: when the folder is a file.
      ValueError: for fewer than two classes, a class without images, a class that train does not
        have, two folders of one class or of one split, a split without classes, or a `test_share`
        of a folder that has a test set.
    """
    root = _root(path)
    found = layout.find(root, test_share, needs_train, needs_validation)
    train_root = found.train if needs_train or test_share else None
    least = 2 if needs_train else 1
    classes = tuple(_classes(train_root, least)) if train_root else _classes_of_any(found)
    numbers = {name: number for number, name in enumerate(classes)}
    passed_over = collections.Counter()

    def listed(split_root):
        if split_root is None:
            return _labelled(root, Split([], [], passed_over))
        split = _files(root, split_root, _known_classes(split_root, numbers), numbers)
        passed_over.update(split.passed_over)
        return _labelled(root, split)

    train, validation, test = (listed(each) for each in (train_root, *found[1:3]))
    notes = found.told
    if test_share:
        train, test, told = shares.split(train, test_share, classes, "test_share")
        notes = "; ".join(filter(None, (notes, _split_told(test_share, train, test), told)))
    return source_lib.Source(
        train,
        test,
        classes,
        flip=True,
        passed_over=passed_over,
        validation=validation if found.validation else None,
        told=notes,
    )


def _root(path: str) -> pathlib.Path:
    root = pathlib.Path(path).expanduser()
    expected = f"expected a folder of images; got {layout.shown(root)}"
    if not root.exists():
        raise FileNotFoundError(f"{expected}, which is not there")
    if not root.is_dir():
        raise NotADirectoryError(f"{expected}, which is a file: pass the folder of all classes")
    return root


def _labelled(root: pathlib.Path, split: Split) -> source_lib.Labelled:
    names = np.array([os.fsencode(name) for name in split.names], None if split.names else "S1")
    return source_lib.Labelled(storage.Files(str(root), names), np.array(split.labels, np.int64))


def _split_told(share: float, train: source_lib.Labelled, test: source_lib.Labelled) -> str:
    counts = f"{len(test):,} of {len(train) + len(test):,}"
    return f"test_share={share} of the images of each class, {counts}, are the test set"


def _class_folders(split_root: pathlib.Path) -> dict[str, str]:
    """`{class: folder}`, sorted by class, of the folders of a split."""
    folders = {}
    for folder in layout.subfolders(split_root):
        name = spelling.composed(folder)
        if name in folders:
            raise ValueError(
                f"folder {layout.shown(split_root)}: expected one folder for each class; got two for"
                f" {name!a}, which differ only in Unicode's normalisation ({folders[name]!a} and"
                f" {folder!a}): put their images into one"
            )
        folders[name] = folder
    return dict(sorted(folders.items()))


def _classes(root: pathlib.Path, least: int) -> dict[str, str]:
    folders = _class_folders(root)
    if len(folders) < least:
        got = f"1 ({escaping.escaped(*folders)})" if folders else "none"
        noun = "class" if least == 1 else "classes"
        raise ValueError(
            f"folder {layout.shown(root)}: expected at least {least} {noun}, a folder of images each;"
            f" got {got}"
        )
    return folders


def _classes_of_any(found: layout.Layout) -> tuple[str, ...]:
    """The sorted names of the classes that the folders of any split are called by."""
    folders = (name for split in found[:3] if split for name in layout.subfolders(split))
    return tuple(sorted(set(spelling.composed_all(folders))))


def _known_classes(split_root: pathlib.Path, numbers: Mapping[str, int]) -> dict[str, str]:
    """The classes that a split has, as `{class: folder}`; all of them must be trained on."""
    folders = _class_folders(split_root)
    for name in folders:
        if name not in numbers:
            raise ValueError(
                f"folder {layout.shown(split_root)}: expected only the {len(numbers)} classes of"
                f" train, such as {next(iter(numbers))!r}; got {name!r}"
            )
    return folders


def _files(
    root: pathlib.Path,
    split_root: pathlib.Path,
    folders: Mapping[str, str],
    numbers: Mapping[str, int],
) -> Split:
    """The images of a split; `folders` are its classes, `numbers` their labels."""
    split = Split([], [], _beside_classes(split_root))
    prefix = "" if split_root == root else f"{split_root.name}/"
    for name, folder in folders.items():
        found = []
        # A listing knows which entries are files: to ask of 1.28 million takes minutes.
        with os.scandir(split_root / folder) as entries:
            for entry in entries:
                reason = _why_passed_over(entry)
                if reason:
                    split.passed_over[reason] += 1
                else:
                    found.append(entry.name)
        if not found:
            raise ValueError(
                f"folder {layout.shown(split_root / folder)}: expected at least 1 image, a file with"
                f" suffix {', '.join(SUFFIXES)}; got none: add some, or take the folder away"
            )
        split.names.extend(f"{prefix}{folder}/{file}" for file in sorted(found))
        split.labels.extend([numbers[name]] * len(found))
    return split


def _why_passed_over(entry: os.DirEntry) -> str:
    """The reason for which an entry of a class's folder is no image; "" for an image."""
    if entry.name.startswith("."):
        return "hidden"
    suffix = os.path.splitext(entry.name)[1].lower()
    # Unlike those of the entry, these questions survive a link to itself.
    if suffix in SUFFIXES and os.path.isfile(entry.path):
        return ""
    if os.path.isdir(entry.path):
        return "folders inside a class's"
    if suffix in SUFFIXES:
        return "links to nothing"
    return f"with suffix {escaping.escaped(suffix)}" if suffix else "without a suffix"


def _beside_classes(split_root: pathlib.Path) -> collections.Counter:
    """Counts what lies beside the folders of the classes."""
    found = collections.Counter()
    for entry in split_root.iterdir():
        if entry.name.startswith("."):
            found["hidden"] += 1
        elif not entry.exists():
            found["links to nothing beside the folders of classes"] += 1
        elif not entry.is_dir():
            found["outside a class's folder"] += 1
    return found
