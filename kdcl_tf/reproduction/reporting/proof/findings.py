"""The tables of the paper's analyses, from the JSON files of `tools/analyse.py`."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

from kdcl_tf.reproduction import analyses
from kdcl_tf.reproduction.analyses import Analysis
from kdcl_tf.reproduction.reporting import cells, statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Heading, Paragraph

_SHOWN_NOISE = (0.0, 0.05, 0.1, 0.15)
# The paper's averages (section 5), without ICL and with it.
_PAPER_SPREAD = "The paper's averages are 0.347 and 0.343 without ICL, and 0.337 and 0.336 with it."


def findings(folder: pathlib.Path) -> Iterator[Heading | Grid | Paragraph]:
    """A table for each analysis that is done, and a line for each that is not.

    Args:
      folder: the folder of the folders of runs, or of their copies.
    """
    for analysis in analyses.ANALYSES:
        path = analyses.output(analysis, folder)
        if not path.exists():
            yield Paragraph(f"Not done: {analysis.shows}.")
            continue
        numbers = json.loads(path.read_text())["numbers"]
        yield Heading(analysis.shows, level=3)
        yield _GRIDS[analysis.kind](analysis, numbers)


def _of_runs(analysis: Analysis) -> str:
    text = f"Runs of {analysis.folder}, seed 0."
    if analyses.HELD_OUT in analysis.rows:
        few = f"{analyses.HELD_OUT} and general_icl"
        text += f" {few} train on 450 images per class, the others on 500."
    return text


def _name(text):
    """`vanilla, resnet32` of a student that is called `vanilla/seed0/resnet32`."""
    return ", ".join(part for part in text.split("/") if part not in ("seed0", "students"))


def _noise(analysis, numbers):
    shown = [
        (index, each) for index, each in enumerate(numbers["deviations"]) if each in _SHOWN_NOISE
    ]
    rows = [
        (
            _name(name),
            *(cells.number(statistics.mean(curves["nll"][index]), 3) for index, _ in shown),
        )
        for name, curves in numbers["students"].items()
    ]
    return Grid(
        heads=("Student", *(f"σ = {each:g}" for _, each in shown)),
        rows=tuple(rows),
        caption=f"{_of_runs(analysis)} Test cross-entropy in nats by the standard deviation of the "
        f"noise, of pixels in 0..1; the mean of {numbers['draws']} draws.",
    )


def _categories(analysis, numbers):
    first, second = numbers["accuracy"]
    row = tuple(str(numbers[key]) for key in ("first_better", "second_better", "equal"))
    return Grid(
        heads=("Of 100 categories" if len(numbers["categories"]) == 100 else "Of all categories",
               f"{_name(first)} is better in", f"{_name(second)} is better in", "equal in"),
        rows=(("number", *row),),
        caption=f"{_of_runs(analysis)} Test accuracy by category.",
    )  # fmt: skip


def _overfitting(analysis, numbers):
    rows = [
        (
            _name(name),
            cells.percent(each["train"]),
            cells.percent(each["test"]),
            cells.signed(100 * (each["train"] - each["test"])),
            f"{each['train_images']:,}",
        )
        for name, each in numbers.items()
    ]
    return Grid(
        heads=("Student", "Training", "Test", "Gap", "Training images"),
        rows=tuple(rows),
        caption=f"{_of_runs(analysis)} Accuracy in %, of undistorted images.",
    )


def _spread(analysis, numbers):
    rows = [
        (
            _name(name),
            cells.number(each["true_average"], 3),
            cells.number(each["vector_average"], 3),
        )
        for name, each in numbers.items()
    ]
    return Grid(
        heads=("Student", "True class", "Whole vector"),
        rows=tuple(rows),
        caption=f"{_of_runs(analysis)} Standard deviation of predicted probabilities within a "
        f"class, the average over classes, of test images. {_PAPER_SPREAD}",
    )


_GRIDS = {
    "noise": _noise,
    "categories": _categories,
    "overfitting": _overfitting,
    "spread": _spread,
}
