"""Which images a detector is run on, and where its pictures go."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Sequence

from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files.escaping import escaped
from kdcl_tf.prediction import images as image_names

__all__ = ["folder_to_draw_to", "images", "in_folders"]


def images(named: Sequence[str]) -> list[pathlib.Path]:
    """The image files that `--image` names, itself or by their folders.

    Raises:
      ValueError: when there are none, one is not there, or two have the same name, so that
        their pictures would, too.
    """
    paths = [pathlib.Path(each).expanduser() for each in named]
    if not paths:
        raise ValueError(
            "--mode=predict: expected --image, files and folders separated by commas; got none"
        )
    paths = in_folders(paths)
    missing = [escaped(str(path)) for path in paths if not path.is_file()]
    if missing:
        commas = image_names.told_of_commas([str(path) for path in paths])
        raise ValueError(
            f"--image: expected files; got {', '.join(missing)}, which is not there{commas}"
        )
    counts = collections.Counter(path.stem for path in paths)
    twice = [escaped(stem) for stem, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f"--image: expected files of different names; got two called {', '.join(sorted(twice))}"
        )
    return paths


def folder_to_draw_to(named: str | None, images: Sequence[pathlib.Path]) -> pathlib.Path:
    """The folder that `--output` names, which need not be there.

    Raises:
      ValueError: when it is none, or that of an image.
    """
    if not named:
        raise ValueError("--mode=predict: expected --output, a folder to draw to; got none")
    output = pathlib.Path(named).expanduser()
    if output.exists() and not output.is_dir():
        raise ValueError(f"--output={output}: expected a folder; got a file")
    for path in images:
        # Beside an image may lie what belongs to it, such as annotations in a file of its name.
        if output.resolve() in (path.parent.resolve(), path.resolve().parent):
            name = escaped(path.stem)
            raise ValueError(
                f"--output={output}: expected another folder than that of the images, where "
                f"{name}.png and {name}.json could replace what is there; got that of"
                f" {escaped(str(path))}"
            )
    return output


def in_folders(paths: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The paths, and in the place of each folder the images in it, by name; none deeper in it.

    Raises:
      ValueError: for a folder without images.
    """
    return [image for path in paths for image in (_in_folder(path) if path.is_dir() else [path])]


def _in_folder(folder):
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not images:
        raise ValueError(
            f"image={escaped(str(folder))}: expected images in it, {', '.join(SUFFIXES)}; got none"
        )
    return images
