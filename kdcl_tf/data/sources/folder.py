"""A folder of image files: PATH/train/<class>/*.jpg, PATH/test/<class>/*.jpg."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import numpy as np

from kdcl_tf.data import storage
from kdcl_tf.data.sources import source as source_lib

SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
TEST_NAMES = ("test", "validation", "val")


def index(path: str) -> source_lib.Source:
    """Lists the images of a folder, and opens none.

    Classes are the sorted names of the folders in PATH/train; images come in sorted
    order. Files that are not images by their suffix, deeper folders and hidden ones are
    passed over.

    Args:
      path: holds `train` and one of `test`, `validation`, `val`.

    Returns:
      The images as `storage.Files`. A class may be missing from test.

    Raises:
      FileNotFoundError: when the folder or a split is not there.
      ValueError: for fewer than two classes, a class without images, a class
        that only test has.
    """
    root, classes, *splits = _layout(path)
    images = [
        source_lib.Labelled(
            storage.Files(str(root), np.array([os.fsencode(name) for name in names])),
            _labels(names, classes),
        )
        for names in splits
    ]
    return source_lib.Source(*images, class_names=classes, flip=True)


def _layout(path: str) -> tuple[pathlib.Path, tuple[str, ...], list[str], list[str]]:
    """(folder, classes, training files, test files): files as `<split>/<class>/<file>`."""
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"expected a folder of images; got '{root}', which is not there")
    train_root = _split_root(root, ("train",))
    test_root = _split_root(root, TEST_NAMES)
    classes = _class_names(train_root)
    train_files = _files(train_root, classes)
    return root, classes, train_files, _files(test_root, _known_classes(test_root, classes))


def _split_root(root: pathlib.Path, names: Sequence[str]) -> pathlib.Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    got = ", ".join(_subfolders(root)) or "no folders"
    expected = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"folder '{root}': expected {expected} in it; got {got}")


def _subfolders(root: pathlib.Path) -> tuple[str, ...]:
    names = (entry.name for entry in root.iterdir() if entry.is_dir())
    return tuple(sorted(name for name in names if not name.startswith(".")))


def _class_names(train_root: pathlib.Path) -> tuple[str, ...]:
    names = _subfolders(train_root)
    if len(names) < 2:
        got = f"1 ({names[0]})" if names else "none"
        raise ValueError(
            f"folder '{train_root}': expected at least 2 classes, a folder of images each; got {got}"
        )
    return names


def _known_classes(test_root: pathlib.Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that test has; all of them must be trained on."""
    names = _subfolders(test_root)
    for name in names:
        if name not in classes:
            raise ValueError(
                f"folder '{test_root}': expected only the {len(classes)} classes of train, such as"
                f" {classes[0]!r}; got {name!r}"
            )
    if not names:
        raise ValueError(f"folder '{test_root}': expected at least 1 class; got none")
    return names


def _files(split_root: pathlib.Path, classes: Sequence[str]) -> list[str]:
    """All image files of a split, class after class, each class sorted.

    As strings, since a million paths would take minutes to make and half a gigabyte.
    """
    files = []
    for name in classes:
        # A listing knows which entries are files: to ask of 1.28 million takes minutes.
        with os.scandir(split_root / name) as entries:
            found = sorted(
                entry.name
                for entry in entries
                if os.path.splitext(entry.name)[1].lower() in SUFFIXES
                and not entry.name.startswith(".")
                and entry.is_file()
            )
        if not found:
            raise ValueError(
                f"folder '{split_root / name}': expected at least 1 image, a file with suffix"
                f" {', '.join(SUFFIXES)}; got none"
            )
        files.extend(f"{split_root.name}/{name}/{file}" for file in found)
    return files


def _labels(names: Sequence[str], classes: tuple[str, ...]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[name.split("/")[1]] for name in names], np.int64)
