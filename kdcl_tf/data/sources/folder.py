"""A folder of image files: PATH/train/<class>/*.jpg, PATH/test/<class>/*.jpg."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf

from kdcl_tf.data import (
    bad_images as bad_images_lib,
    dataset as dataset_lib,
    decoding,
    encoded,
    errors,
    resize,
    storage,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
TEST_NAMES = ("test", "validation", "val")
DEFAULT_SIZE = 32


def read(path: str, image_size: int = 0) -> dataset_lib.Source:
    """Decodes every image of a folder.

    Classes are the sorted names of the folders in PATH/train; images are read in
    sorted order. Files that are not images by their suffix, deeper folders and
    hidden ones are passed over. Grey images become RGB, alpha is dropped, of an
    animation the first frame counts, EXIF orientation is ignored.

    Args:
      path: holds `train` and one of `test`, `validation`, `val`.
      image_size: height and width; 0 is 32. The aspect ratio is not kept.

    Returns:
      The images, `[N, size, size, 3]`. A class may be missing from test.

    Raises:
      FileNotFoundError: when the folder or a split is not there.
      ValueError: for fewer than two classes, a class without images, a class
        that only test has, an unreadable image, too many images for memory.
    """
    root, classes, *splits = _layout(path)
    size = image_size or DEFAULT_SIZE
    dataset_lib.check_size(f"folder:{path}", sum(map(len, splits)), size, size)
    images = [
        dataset_lib.ImageSplit(_decode_files(root, names, size), _labels(names, classes))
        for names in splits
    ]
    return dataset_lib.Source(*images, class_names=classes, flip=True)


def index(path: str, image_size: int, bad_images: bad_images_lib.BadImages) -> dataset_lib.Source:
    """Lists the images of a folder, in the order of `read`, and opens none.

    Args:
      path: as in `read`.
      image_size: height and width that images will have.
      bad_images: what to do about those that turn out to be unreadable.

    Returns:
      The images as `EncodedSplit`s.

    Raises:
      FileNotFoundError, ValueError: as `read`, except for the images' contents.
    """
    root, classes, *splits = _layout(path)
    images = [
        encoded.EncodedSplit(
            storage.Files(str(root), np.array([os.fsencode(name) for name in names])),
            _labels(names, classes),
            classes,
            image_size,
            bad_images,
        )
        for names in splits
    ]
    return dataset_lib.Source(*images, class_names=classes, flip=True)


def _layout(path: str) -> tuple[pathlib.Path, tuple[str, ...], list[str], list[str]]:
    """(folder, classes, training files, test files): files as `<split>/<class>/<file>`."""
    root = pathlib.Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"folder '{root}' is not there")
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
    wanted = " or ".join(f"{name}/" for name in names)
    raise FileNotFoundError(f"folder '{root}': got {got}, wanted {wanted} in it")


def _subfolders(root: pathlib.Path) -> tuple[str, ...]:
    names = (entry.name for entry in root.iterdir() if entry.is_dir())
    return tuple(sorted(name for name in names if not name.startswith(".")))


def _class_names(train_root: pathlib.Path) -> tuple[str, ...]:
    names = _subfolders(train_root)
    if len(names) < 2:
        noun = "class" if len(names) == 1 else "classes"
        raise ValueError(
            f"folder '{train_root}': got {len(names)} {noun}"
            f"{''.join(f' ({name})' for name in names)}, wanted at least 2: one"
            " folder of images for each class"
        )
    return names


def _known_classes(test_root: pathlib.Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The classes that test has; all of them must be trained on."""
    names = _subfolders(test_root)
    for name in names:
        if name not in classes:
            raise ValueError(
                f"folder '{test_root}': got class {name!r}, which train does not"
                f" have; wanted only its {len(classes)} classes, such as"
                f" {classes[0]!r}"
            )
    if not names:
        raise ValueError(f"folder '{test_root}': got no classes, wanted at least 1")
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
                f"folder '{split_root / name}': got no images, wanted at least 1"
                f" file with suffix {', '.join(SUFFIXES)}"
            )
        files.extend(f"{split_root.name}/{name}/{file}" for file in found)
    return files


def _labels(names: Sequence[str], classes: tuple[str, ...]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[name.split("/")[1]] for name in names], np.int64)


def _decode_files(root: pathlib.Path, names: Sequence[str], size: int) -> np.ndarray:
    """`[N, size, size, 3]`, decoded in threads: TensorFlow lets go of the GIL."""
    images = np.empty([len(names), size, size, 3], np.uint8)
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = pool.map(lambda name: _decode(root / name, size), names)
        try:
            for index, image in enumerate(decoded):
                images[index] = image
        except ValueError:
            # Without this the pool would decode all that is left before it raises.
            pool.shutdown(cancel_futures=True)
            raise
    return images


def _decode(file: pathlib.Path, size: int) -> np.ndarray:
    """One image, `[size, size, 3]` uint8."""
    try:
        content = file.read_bytes()
        if not content:
            raise ValueError("the file is empty")
        with tf.device("CPU:0"):
            return resize.square(decoding.rgb(content), size).numpy()
    except (tf.errors.OpError, ValueError, OSError) as error:
        raise ValueError(f"image '{file}' cannot be read: {errors.one_line(error)}") from error
