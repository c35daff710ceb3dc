"""Which images a detector is run on, and where its pictures go."""

from __future__ import annotations

import collections
import os
import pathlib
from collections.abc import Sequence

from kdcl_tf.files import outputs
from kdcl_tf.files.escaping import escaped
from kdcl_tf.prediction import images as image_names
from kdcl_tf.serving import replacing

__all__ = ["DETECTIONS", "drawn", "folder_to_draw_to", "images"]

# What the list of detections has in the place of the suffix of the figures beside it.
DETECTIONS = ".detections.json"


def images(named: Sequence[str]) -> tuple[list[pathlib.Path], str]:
    """The image files that `--image` names, itself or by their folders; none deeper in these.

    Returns:
      (their paths, what of the folders was passed over, in words; "" for nothing).

    Raises:
      ValueError: when there are none, one is not there, or two have the same name, so that
        their pictures would, too.
    """
    found = image_names.find(named, is_deep=False)
    paths = [pathlib.Path(path) for path in found.paths]
    counts = collections.Counter(path.stem for path in paths)
    twice = [escaped(stem) for stem, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f"--image: expected files of different names; got two called {', '.join(sorted(twice))}"
        )
    return paths, found.ignored


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
