"""Photographs with what students of a real run say of them.

The photographs are two that scikit-learn carries, by danielbuechele and vultilion, under Creative
Commons Attribution 2.0; those that the students learned from may not be shown.  What the students
say is in results/pictures/photographs.json, which `tools/figures.py --predict_with=RUN` writes.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image
from sklearn import datasets

from drawing import style
from kdcl_tf import files
from kdcl_tf.reproduction import child_programs

NUMBERS = pathlib.Path(__file__).resolve().parents[2] / "results" / "pictures" / "photographs.json"
# Squares: the photograph, and left, top and side in its pixels.
SQUARES = {
    "pagoda": ("china.jpg", (0, 0, 427)),
    "lake": ("china.jpg", (330, 60, 300)),
    "dahlia": ("flower.jpg", (130, 40, 340)),
}
CREDIT = "Photographs: danielbuechele, vultilion (CC BY 2.0, cut to squares), from scikit-learn"
ALT = (
    "Three squares cut from photographs, a pagoda, a lake shore and a dahlia. Below each are the "
    "three most probable of CIFAR-100's hundred classes for both students of a cohort, as bars. "
    "None of the three is among the classes."
)
_MOST = 3


def square(name: str) -> np.ndarray:
    """`[side, side, 3]` uint8, a square of a photograph."""
    photograph, (left, top, side) = SQUARES[name]
    pixels = datasets.load_sample_image(photograph)
    return pixels[top : top + side, left : left + side]


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    numbers = json.loads(NUMBERS.read_text())
    students = numbers["students"]
    figure, axes = style.new(4.7, rows=1 + len(students), columns=len(SQUARES),
                             height_ratios=[2.2] + [1] * len(students))  # fmt: skip
    for column, name in enumerate(SQUARES):
        axes[0, column].imshow(square(name))
        style.without_axes(axes[0, column])
        axes[0, column].set_title(name)
        for place, student in zip(axes[1:, column], students):
            _bars(place, student["predictions"][name], is_first=student == students[0])
            if column == 0:
                place.set_ylabel(f"{student['name']}\n({student['accuracy']:.0%})", fontsize=9)
    figure.suptitle(f"What two students say ({numbers['run']})", fontsize=11)
    figure.supxlabel(CREDIT, fontsize=8)
    style.save(figure, path)


def _bars(axes, predictions, is_first):
    """The most probable classes of one student, the first on top."""
    for place, (name, probability) in enumerate(predictions):
        axes.barh(
            place,
            probability,
            0.8,
            facecolor=style.SKY if is_first else style.PAPER,
            edgecolor=style.BLUE,
            hatch=None if is_first else "////",
        )
        inside = probability > 0.5
        axes.text(
            0.02 if inside else probability + 0.02,
            place,
            f"{name.replace('_', ' ')} {probability:.0%}",
            va="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0} if inside else None,
        )
    axes.set(xlim=(0, 1), ylim=(len(predictions) - 0.5, -0.5), xticks=[], yticks=[])


def write(run: pathlib.Path) -> None:
    """Asks the students of a run, by `kdcl-predict`, and writes `NUMBERS`.

    Args:
      run: of `kdcl-train` on CIFAR-100, with exported students.

    Raises:
      ValueError: when it has none.
    """
    cards = {path.parent.name: json.loads(path.read_text())
             for path in sorted((run / "students").glob("*/student.json"))}  # fmt: skip
    if not cards:
        raise ValueError(
            f"expected a run with exported students; got {run}, which has no "
            "students/*/student.json: pass a complete run, or export its students by kdcl-export"
        )
    log = (run / "log.jsonl").read_text().splitlines()
    last = json.loads(log[-1])
    found = {
        "run": f"{run.parent.name}, {run.name.replace('seed', 'seed ')}, {last['epoch']} epochs",
        "students": [
            {
                "name": name,
                "accuracy": _latest(log, f"test_{name}_accuracy"),
                "predictions": _predictions(run / "students" / name),
            }
            for name in cards
        ],
    }
    NUMBERS.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(NUMBERS, json.dumps(found, indent=1) + "\n")


def _latest(log, key):
    """The last value of a key that not every line of the log has."""
    return next(each[key] for each in map(json.loads, reversed(log)) if key in each)


def _predictions(student):
    """`{square: [(class, probability)]}`, by a run of the program."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: pathlib.Path(folder, f"{name}.png") for name in SQUARES}
        for name, path in paths.items():
            Image.fromarray(square(name)).save(path)
        output = pathlib.Path(folder, "predictions.json")
        images = ",".join(map(str, paths.values()))
        given = [f"--model={student}", f"--top={_MOST}", f"--image={images}", f"--output={output}"]
        command = child_programs.command("predict", given)
        subprocess.run(command, check=True, capture_output=True)
        images = json.loads(output.read_text())["images"]
    return {
        pathlib.Path(each["image"]).stem: [
            (one["class"], round(one["probability"], 4)) for one in each["predictions"]
        ]
        for each in images
    }
