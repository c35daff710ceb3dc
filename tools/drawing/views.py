"""One photograph and the views that two students get of it, by the pipeline that trains them."""

from __future__ import annotations

import pathlib
import tempfile

import numpy as np
from PIL import Image
from sklearn import datasets

from drawing import style
from drawing.photographs import CREDIT
from kdcl_tf import data

SIDE = 224
STUDENTS = ("student 1", "student 2")
_EPOCHS = (0, 1)
ALT = (
    "A photograph of a pagoda by a lake, and four views of it: those of two students in two "
    "epochs. Each view is another window of the photograph, some of them mirrored, and has "
    "other colours."
)


def views() -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """The photograph, and `(title, view [SIDE, SIDE, 3])` of both students in two epochs."""
    photograph = datasets.load_sample_image("china.jpg")
    with tempfile.TemporaryDirectory() as folder:
        for split in ("train", "test"):
            for name in ("flower", "pagoda"):
                pathlib.Path(folder, split, name).mkdir(parents=True)
                pixels = datasets.load_sample_image(
                    "china.jpg" if name == "pagoda" else "flower.jpg"
                )
                Image.fromarray(pixels).save(pathlib.Path(folder, split, name, "1.png"))
        dataset = data.load(f"folder:{folder}", image_size=SIDE, distortion="resized_crop")
        found = []
        for epoch in _EPOCHS:
            stream = data.create_views(dataset, STUDENTS, 0, True).epoch(epoch, 2)
            images, labels = next(iter(stream))
            pagoda = int(np.flatnonzero(np.asarray(labels) == 1)[0])
            for name in STUDENTS:
                pixels = dataset.normalization.fractions(images[name])[pagoda]
                found.append((f"epoch {epoch + 1}, {name}", np.clip(pixels, 0.0, 1.0)))
    return photograph, found


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    photograph, found = views()
    figure, axes = style.new(2.05, columns=5, width_ratios=[1.5, 1, 1, 1, 1])
    for place, (title, pixels) in zip(axes[0], [("the photograph", photograph), *found]):
        place.imshow(pixels)
        place.set_title(title, fontsize=9)
        style.without_axes(place)
    figure.suptitle("One image, and the views of two students", fontsize=11)
    figure.supxlabel(CREDIT.split(",")[0] + " (CC BY 2.0), from scikit-learn", fontsize=8)
    style.save(figure, path)
