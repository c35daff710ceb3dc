"""Which folders of a data set of image files are its splits."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files import escaping

__all__ = ["SPLITS", "Layout", "find", "has_test_set", "shown", "subfolders"]

# The names that a split's folder may have; upper and lower case are the same.
SPLITS = {
    "train": ("train",),
    "test": ("test",),
    "validation": ("validation", "val", "valid"),
}

_ONE_FOLDER = "put the folders of all classes into a folder named"


class Layout(NamedTuple):
    """The folders of the splits, each with a folder for each class; None where there is none.

    Attributes:
      train, validation, test: of the splits. `train` may be the data set's own folder, whose
        images are still to be split, and so may `test`, of which all are then evaluated.
      told: which of two possible meanings was taken, and what is not read, in words; "" where
        there is one meaning only and everything is read.
    """

    train: pathlib.Path | None
    validation: pathlib.Path | None
    test: pathlib.Path | None
    told: str = ""


def find(
    root: pathlib.Path,
    test_share: float = 0.0,
    needs_train: bool = True,
    needs_validation: bool = True,
) -> Layout:
    """Finds the splits of a folder.

    Where there is `test/`, `val/` is a validation split; where there is only one of both, it is
    the test set. Where there are neither, the folders are classes.

    Args:
      root: the folder, which exists.
      test_share: whether test images are to be taken from those of `train/`, or of the folders
        of classes; the layout has no `test` then.
      needs_train: whether a test set alone is not enough.
      needs_validation: whether a validation set is looked at; the layout has none otherwise.

    Raises:
      FileNotFoundError: when a split is not there.
      ValueError: when two things could be meant: two names of one split, or `test_share` where
        there is a test set; or for a test or validation set without folders of classes.
    """
    found = _splits(root)
    told = ""
    if "test" not in found and "validation" in found:
        told = f"the test images are those of {escaping.escaped(found['validation'].name)}/"
        found = {"test": found["validation"], **{k: found[k] for k in found if k == "train"}}
    if_classes = _if_classes(root, found, needs_train or bool(test_share))
    told = "; ".join(filter(None, (told, _not_read(root, found, if_classes))))
    if not needs_validation:
        found.pop("validation", None)
    if test_share:
        return _to_split(root, found, told, if_classes)
    if not found:
        return _classes_alone(root, needs_train)
    if "test" not in found or (needs_train and "train" not in found):
        share = " and pass test_share=0.2" if if_classes and needs_train else ""
        raise _missing(root, "test" if "train" in found else "train", if_classes + share)
    for split in ("test", "validation"):
        if split in found and not subfolders(found[split]):
            raise _without_classes(root, found, split, if_classes, needs_train)
    return Layout(found.get("train"), found.get("validation"), found.get("test"), told)


def has_test_set(root: pathlib.Path) -> bool:
    """Whether a folder has images to test on, so that none are taken from the others.

    Raises:
      ValueError: for two names of one split.
    """
    found = _splits(root) if root.is_dir() else {}
    return any(subfolders(found[split]) for split in ("test", "validation") if split in found)


def has_validation_set(root: pathlib.Path) -> bool:
    """Whether a folder has validation images beside its test images.

    Raises:
      ValueError: for two names of one split.
    """
    found = _splits(root) if root.is_dir() else {}
    return all(split in found and subfolders(found[split]) for split in ("test", "validation"))


def subfolders(root: pathlib.Path) -> list[str]:
    """The sorted names of the folders in a folder, without hidden ones."""
    names = (entry.name for entry in root.iterdir() if entry.is_dir())
    return sorted(name for name in names if not name.startswith("."))


def shown(path: pathlib.Path) -> str:
    """A path as a message has it."""
    return f"'{escaping.escaped(str(path))}'"


def _splits(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """`{split: folder}` of the splits that a folder has."""
    found = {}
    for name in subfolders(root):
        for split, known in SPLITS.items():
            if name.lower() not in known:
                continue
            if split in found:
                raise ValueError(
                    f"folder {shown(root)}: expected one folder of {split} images; got"
                    f" {found[split].name}/ and {name}/: keep one of them"
                )
            found[split] = root / name
    return found


def _if_classes(root: pathlib.Path, found: Mapping[str, pathlib.Path], trains: bool) -> str:
    """What to do where the folders of splits are classes, in words; "" where no others lie beside."""
    if not found or not _beside(root, found):
        return ""
    one = "is a class" if len(found) == 1 else "are classes"
    return f"if {_named(found)} {one}, {_ONE_FOLDER} {'train' if trains else 'test'}"


def _beside(root: pathlib.Path, found: Mapping[str, pathlib.Path]) -> list[str]:
    return [name for name in subfolders(root) if root / name not in found.values()]


def _named(found: Mapping[str, pathlib.Path]) -> str:
    return " and ".join(f"{escaping.escaped(path.name)}/" for path in found.values())


def _not_read(root: pathlib.Path, found: Mapping[str, pathlib.Path], if_classes: str) -> str:
    """Which folders and images lie beside splits, in words; "" without splits."""
    beside = _beside(root, found)
    files = sum(entry.suffix.lower() in SUFFIXES for entry in root.iterdir() if entry.is_file())
    if not found or not (beside or files):
        return ""
    parts = [_listed(beside), f"{files:,} image{'s' * (files != 1)}" * bool(files)]
    listed = " and ".join(filter(None, parts))
    return ": ".join(filter(None, (f"not read, beside {_named(found)}", listed, if_classes)))


def _to_split(
    root: pathlib.Path, found: Mapping[str, pathlib.Path], told: str, if_classes: str
) -> Layout:
    """The layout of a folder whose images are to be split."""
    if "test" in found and not subfolders(found["test"]):
        raise _without_classes(root, found, "test", if_classes)
    if "test" in found:
        names = " and ".join(f"{path.name}/" for path in found.values())
        raise ValueError(
            f"folder {shown(root)}: test_share splits a folder without a test set; got {names}:"
            f" pass test_share=0, or, if they are classes, {_ONE_FOLDER} train"
        )
    if not found and not subfolders(root):
        raise _missing(root, "train")
    train = found.get("train", root)
    if told and not subfolders(train):
        raise ValueError(
            f"folder {shown(train)}: expected folders of classes in it; got none; {told}"
        )
    return Layout(train, None, None, told)


def _classes_alone(root: pathlib.Path, needs_train: bool) -> Layout:
    """The layout of a folder that has folders of classes only, or nothing."""
    classes = subfolders(root)
    if not classes:
        raise _missing(root, "train")
    if needs_train:
        raise FileNotFoundError(
            f"folder {shown(root)}: expected train/ and test/ in it; got {_listed(classes)}: if"
            " these are classes, pass test_share=0.2, which makes a fifth of"
            " the images of each class the test set"
        )
    return Layout(None, None, root, f"the test images are those of {shown(root)}")


def _without_classes(
    root: pathlib.Path,
    found: Mapping[str, pathlib.Path],
    split: str,
    if_classes: str,
    needs_train: bool = True,
) -> ValueError:
    """The error for a test or validation set without folders of classes: files alone, or nothing."""
    path = found[split]
    files = sum(not entry.name.startswith(".") for entry in path.iterdir() if not entry.is_dir())
    got = f"{files:,} file{'s' * (files != 1)} and no folders" if files else "nothing"
    ways = ["put the images of each class into a folder of its own"]
    ways += _ways_without(
        path, split, {k: found[k] for k in found if subfolders(found[k])}, needs_train
    )
    # First, as whoever follows the others has a class less.
    first = f"{if_classes}; if not, " if if_classes else ""
    return ValueError(
        f"folder {shown(path)}: expected a folder of images for each class; got {got}:"
        f" {first}{', or '.join(ways)}"
    )


def _ways_without(
    path: pathlib.Path, split: str, others: Mapping[str, pathlib.Path], needs_train: bool
) -> list[str]:
    """What to do without a split that has no classes; `others` are those that have some."""
    move = f"move {escaping.escaped(path.name)}/ away"
    if split == "validation":
        return [move]
    if "validation" in others:
        name = escaping.escaped(others["validation"].name)
        return [f"{move}: the test images are then those of {name}/"]
    if not needs_train:
        return []
    share = "pass test_share=0.2, which makes a fifth of the images of each class the test set"
    if "train" not in others:
        return [f"{move} and {share}"]
    train = escaping.escaped(str(others["train"]))
    return [f"pass dataset=folder:{train} and {share}", f"{move} and pass test_share=0.2"]


def _missing(root: pathlib.Path, split: str, if_classes: str = "") -> FileNotFoundError:
    names = {"train": "train/", "test": "test/ or validation/ or val/ or valid/"}
    split_train = "make one, or pass test_share=0.2 to split train/" if split == "test" else ""
    hint = "; ".join(filter(None, (split_train, if_classes)))
    got = _listed(subfolders(root))
    if not got:
        return FileNotFoundError(
            f"folder {shown(root)}: expected {names[split]} in it; got no folders"
            f"{', but files: put those of each class into a folder of its own' * _has_files(root)}"
        )
    return FileNotFoundError(
        f"folder {shown(root)}: expected {names[split]} in it; got {got}{f': {hint}' * bool(hint)}"
    )


def _has_files(root: pathlib.Path) -> bool:
    return any(entry.is_file() for entry in root.iterdir() if not entry.name.startswith("."))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(map(escaping.escaped, names[:10])) + more
