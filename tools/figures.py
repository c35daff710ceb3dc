"""Draws the pictures of the documentation, from real runs and real images.

    python tools/figures.py                     all of them, into docs/pictures
    python tools/figures.py --only=gains,step   some
    python tools/figures.py --only=photographs --predict_with=RUN
                                                after asking the students of a run about them
    python tools/figures.py --list              their names and what they show, for readers who
                                                do not see them

What they show comes from results/, from drawings, and from photographs that may be shown.  Pictures
of the proof's runs show what is complete, and name its scale and seeds.
"""

from __future__ import annotations

import importlib
import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import flags

from kdcl_tf.programs import command_line

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pictures"
# The module of `tools/drawing` that draws each picture.
FIGURES = {
    "step.svg": "step",
    "views.png": "views",
    "ensembles.svg": "ensembles",
    "gains.svg": "gains",
    "learning_curves.svg": "learning",
    "accuracy_by_parameters.svg": "parameters",
    "photographs.png": "photographs",
    "detections.png": "detections",
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines which pictures, and where."""
    names = ", ".join(name.partition(".")[0] for name in FIGURES)
    flags.DEFINE_list("only", [], f"Draws only these: {names}.", flag_values)
    flags.DEFINE_string("output", str(FOLDER), "The folder of the pictures.", flag_values)
    flags.DEFINE_string(
        "predict_with",
        None,
        "A run of kdcl-train on CIFAR-100: its students are asked about the photographs first, and "
        "results/pictures/photographs.json is written anew.",
        flag_values,
    )
    flags.DEFINE_bool("list", False, "Draws nothing, and prints what each shows.", flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Draws, or lists."""
    with command_line.user_errors():
        names = named(flag_values["only"].value)
        if flag_values["list"].value:
            for name in names:
                print(f"{name}: {module_of(name).ALT}\n")
            return
        if flag_values["predict_with"].value:
            run = pathlib.Path(flag_values["predict_with"].value).expanduser()
            module_of("photographs.png").write(run)
        for path in draw(names, pathlib.Path(flag_values["output"].value).expanduser()):
            print(path)


def named(only: Sequence[str]) -> list[str]:
    """The files of some pictures; all without names.

    Raises:
      ValueError: for a name that no picture has.
    """
    known = {name.partition(".")[0]: name for name in FIGURES}
    for name in only:
        if name not in known:
            raise ValueError(f"expected --only among {', '.join(known)}; got {name}")
    return [known[name] for name in only] or list(FIGURES)


def module_of(name: str):
    """The module that draws a picture: it has `draw(path)` and `ALT`."""
    return importlib.import_module(f"drawing.{FIGURES[name]}")


def draw(names: Sequence[str], folder: pathlib.Path) -> list[pathlib.Path]:
    """Draws some pictures into a folder; returns their paths."""
    paths = [folder / name for name in names]
    for name, path in zip(names, paths):
        module_of(name).draw(path)
    return paths


def draw_all() -> None:
    """Draws every picture where the documentation has it."""
    draw(list(FIGURES), FOLDER)


if __name__ == "__main__":
    command_line.run(define_flags, main)
