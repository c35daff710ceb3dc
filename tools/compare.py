"""Shows two finished runs of the same students side by side.

python tools/compare.py runs/alone runs/cohort
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def table(alone: Mapping[str, Any], cohort: Mapping[str, Any]) -> list[str]:
    """The lines of a table: student, accuracy alone, accuracy in the cohort, gain in points.

    Args:
      alone, cohort: the contents of `result.json` of two runs with the same students.
    """
    width = max(len("student"), *map(len, alone["students"]))
    lines = [f"{'student':{width}}   alone   in the cohort    gain"]
    for name, student in alone["students"].items():
        before, after = student["accuracy"], cohort["students"][name]["accuracy"]
        gain = 100 * (after - before)
        lines.append(f"{name:{width}}  {before:6.2%}  {after:14.2%}  {gain:+6.2f}")
    return lines


def places(cohort: Mapping[str, Any], path: pathlib.Path) -> list[str]:
    """Lines that say where the models and the plot of a run are.

    Args:
      cohort: the contents of the run's `result.json`.
      path: the folder of the run.
    """
    models = [f"  {path / student['saved_model']}" for student in cohort["students"].values()]
    return ["", "SavedModels:", *models, f"plot: {path / 'accuracy.png'}"]


def main(arguments: Sequence[str]) -> None:
    """Prints the table of two runs."""
    if len(arguments) != 2:
        sys.exit(
            "usage: compare.py ALONE COHORT, the workdirs of two finished runs of kdcl-train with "
            "the same students"
        )
    paths = [pathlib.Path(each) for each in arguments]
    missing = [str(path) for path in paths if not (path / "result.json").exists()]
    if missing:
        sys.exit(
            "expected the workdirs of two finished runs; got no result.json in "
            f"{', '.join(missing)}: let kdcl-train finish first"
        )
    alone, cohort = (json.loads((path / "result.json").read_text()) for path in paths)
    if set(alone["students"]) != set(cohort["students"]):
        sys.exit(
            f"expected two runs of the same students; got {', '.join(alone['students'])}, and "
            f"{', '.join(cohort['students'])}"
        )
    data = alone["data"]
    print(
        f"\nTest accuracy on {data['num_test']} images of {data['name']}, trained on "
        f"{data['num_train']} (one seed)"
    )
    print("\n".join(table(alone, cohort) + places(cohort, paths[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
