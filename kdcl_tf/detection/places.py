"""Which images a detector is run on, and where its pictures go."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Sequence

from kdcl_tf.data.formats import finding
from kdcl_tf.data.formats.rules import SUFFIXES
from kdcl_tf.files import outputs
from kdcl_tf.files.escaping import escaped
from kdcl_tf.prediction import images as image_names
from kdcl_tf.serving import replacing

__all__ = ["DETECTIONS", "drawn", "folder_to_draw_to", "images", "in_folders"]

# What the list of detections has in the place of the suffix of the figures beside it.
DETECTIONS = ".detections.json"


def images(named: Sequence[str]) -> tuple[list[pathlib.Path], str]:
    """The image files that `--image` names, itself or by their folders.

    Returns:
      (their paths, what of the folders was passed over, in words; "" for nothing).

    Raises:
      ValueError: when there are none, one is not there, or two have the same name, so that
        their pictures would, too.
    """
    paths = [pathlib.Path(each).expanduser() for each in named if each]
    if not paths:
        raise ValueError(
            "--mode=predict: expected --image, files and folders separated by commas; got none"
        )
    paths, told = in_folders(paths)
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
    return paths, told


def folder_to_draw_to(
    named: str | None, images: Sequence[pathlib.Path], model: str | None = None
) -> pathlib.Path:
    """The folder that `--output` names, which need not be there.

    Args:
      named: by the flag.
      images: each gets a picture and a list there, of its name.
      model: that is read, or None.

    Raises:
      ValueError: when it is none, that of an image, or one that cannot be written to; when a picture
        or list would be a file of a run or of a model, or has too long a name.
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
        _check_drawn(output, path, [os.path.expanduser(model)] if model else [])
    outputs.check_folder("output", output)
    return output


def drawn(output: pathlib.Path, image: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """The picture and the list of an image's detections in a folder."""
    return output / f"{image.stem}.png", output / f"{image.stem}.json"


def _check_drawn(output, image, models):
    """Refuses the names of what is drawn of an image, all before the first is."""
    paths, size = drawn(output, image), len(os.fsencode(image.stem))
    most = outputs.LONGEST_NAME - max(len(path.suffix) for path in paths)
    if size > most:
        raise ValueError(
            f"--image: expected names of at most {most} bytes before the suffix, to write NAME.png and "
            f"NAME.json; got {size} in {escaped(str(image))}: rename it"
        )
    for path in paths:
        told = replacing.owner(path, models)
        if told:
            raise ValueError(
                f"--output={output}: expected a folder in which {escaped(path.name)} of "
                f"{escaped(str(image))} replaces nothing; got one where it belongs to {told}: pass "
                "another"
            )


def in_folders(paths: Sequence[pathlib.Path]) -> tuple[list[pathlib.Path], str]:
    """The paths, and in the place of each folder the images in it, by name; none deeper in it.

    A file that is found twice counts once.

    Returns:
      As `images`.

    Raises:
      ValueError: for a folder without images.
    """
    found: dict[str, pathlib.Path] = {}
    passed_over = collections.Counter()
    for path in paths:
        for image in _in_folder(path, passed_over) if path.is_dir() else [path]:
            place = os.path.realpath(image)
            if place in found:
                passed_over["found twice"] += 1
            found.setdefault(place, image)
    return list(found.values()), _told(passed_over)


def _in_folder(folder, passed_over):
    images, reasons = finding.images_in(folder)
    if not images:
        told = _told(reasons)
        raise ValueError(
            f"image={escaped(str(folder))}: expected images in it, {', '.join(SUFFIXES)}; got none"
            f"{f' ({told})' * bool(told)}"
        )
    passed_over.update(reasons)
    return [pathlib.Path(image) for image in images]


def _told(reasons):
    # It imports numpy, which takes longer than to refuse what is not there.
    from kdcl_tf.data.sources import contents

    return contents.passed_over(reasons) if reasons else ""
