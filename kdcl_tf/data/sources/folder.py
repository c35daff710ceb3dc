"""A folder of image files: PATH/train/<class>/*.jpg, PATH/test/<class>/*.jpg."""

from __future__ import annotations

import collections
import os
import pathlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.data.sources import source as source_lib
from kdcl_tf.files import escaping

TEST_NAMES = ("test", "validation", "val")


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


def index(path: str) -> source_lib.Source:
    """Lists the images of a folder, and opens none.

    Classes are the sorted names of the folders in PATH/train; images come in sorted
    order. Files that are not images by their suffix, deeper folders and hidden ones are
    passed over. A class may be written with composed and with decomposed letters (Unicode's
    NFC and NFD), as different systems do: it is one class, under its composed name.

    Args:
      path: holds `train` and one of `test`, `validation`, `val`.

    Returns:
      The images as `storage.Files`. A class may be missing from test.

    Raises:
      FileNotFoundError: when the folder or a split is not there.
      ValueError: for fewer than two classes, a class without images, a class
        that only test has, or two folders of one class.
    """
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"expected a folder of images; got {_shown(root)}, which is not there"
        )
    train_root, test_root = _split_root(root, ("train",)), _split_root(root, TEST_NAMES)
    folders = _classes(train_root)
    numbers = {name: number for number, name in enumerate(folders)}
    splits = [_files(train_root, folders, numbers)]
    splits.append(_files(test_root, _known_classes(test_root, numbers), numbers))
    images = [
        source_lib.Labelled(
            storage.Files(str(root), np.array([os.fsencode(name) for name in split.names])),
            np.array(split.labels, np.int64),
        )
        for split in splits
    ]
    passed_over = splits[0].passed_over + splits[1].passed_over
    return source_lib.Source(*images, tuple(folders), flip=True, passed_over=passed_over)


def _split_root(root: pathlib.Path, names: Sequence[str]) -> pathlib.Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    got = ", ".join(map(escaping.escaped, _subfolders(root))) or "no folders"
    expected = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"folder {_shown(root)}: expected {expected} in it; got {got}")


def _subfolders(root: pathlib.Path) -> list[str]:
    names = (entry.name for entry in root.iterdir() if entry.is_dir())
    return sorted(name for name in names if not name.startswith("."))


def _class_folders(split_root: pathlib.Path) -> dict[str, str]:
    """`{class: folder}`, sorted by class, of the folders of a split."""
    folders = {}
    for folder in _subfolders(split_root):
        name = unicodedata.normalize("NFC", folder)
        if name in folders:
            raise ValueError(
                f"folder {_shown(split_root)}: expected one folder for each class; got two for"
                f" {name!a}, which differ only in Unicode's normalisation ({folders[name]!a} and"
                f" {folder!a}): put their images into one"
            )
        folders[name] = folder
    return dict(sorted(folders.items()))


def _classes(train_root: pathlib.Path) -> dict[str, str]:
    folders = _class_folders(train_root)
    if len(folders) < 2:
        got = f"1 ({escaping.escaped(*folders)})" if folders else "none"
        raise ValueError(
            f"folder {_shown(train_root)}: expected at least 2 classes, a folder of images each;"
            f" got {got}"
        )
    return folders


def _known_classes(test_root: pathlib.Path, numbers: Mapping[str, int]) -> dict[str, str]:
    """The classes that test has; all of them must be trained on."""
    folders = _class_folders(test_root)
    for name in folders:
        if name not in numbers:
            raise ValueError(
                f"folder {_shown(test_root)}: expected only the {len(numbers)} classes of train,"
                f" such as {next(iter(numbers))!r}; got {name!r}"
            )
    if not folders:
        raise ValueError(f"folder {_shown(test_root)}: expected at least 1 class; got none")
    return folders


def _files(
    split_root: pathlib.Path, folders: Mapping[str, str], numbers: Mapping[str, int]
) -> Split:
    """The images of a split; `folders` are its classes, `numbers` their labels."""
    split = Split([], [], _beside_classes(split_root))
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
                f"folder {_shown(split_root / folder)}: expected at least 1 image, a file with"
                f" suffix {', '.join(SUFFIXES)}; got none"
            )
        split.names.extend(f"{split_root.name}/{folder}/{file}" for file in sorted(found))
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
        elif not entry.is_dir():
            found["outside a class's folder"] += 1
    return found


def _shown(path: pathlib.Path) -> str:
    return f"'{escaping.escaped(str(path))}'"
