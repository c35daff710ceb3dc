"""Shows two finished runs of the same students side by side.

python tools/compare.py runs/alone runs/cohort
"""

import json
import pathlib
import sys


def table(alone, cohort):
    """Lines of a table: student, accuracy alone, in the cohort, gain.

    Args:
      alone, cohort: contents of `result.json` of two runs with the same students.
    """
    width = max(len("student"), *map(len, alone["students"]))
    lines = [f"{'student':{width}}   alone   in the cohort    gain"]
    for name, student in alone["students"].items():
        before, after = student["accuracy"], cohort["students"][name]["accuracy"]
        gain = 100 * (after - before)
        lines.append(f"{name:{width}}  {before:6.2%}  {after:14.2%}  {gain:+6.2f}")
    return lines


def places(cohort, path):
    """Lines that say where models and plot are."""
    models = [f"  {path / student['saved_model']}" for student in cohort["students"].values()]
    return ["", "SavedModels:", *models, f"plot: {path / 'accuracy.png'}"]


def main(arguments):
    if len(arguments) != 2:
        sys.exit("usage: compare.py ALONE COHORT, the workdirs of two finished runs")
    paths = [pathlib.Path(each) for each in arguments]
    missing = [str(path) for path in paths if not (path / "result.json").exists()]
    if missing:
        sys.exit(f"no result.json in {', '.join(missing)}: wanted the workdirs of finished runs")
    alone, cohort = (json.loads((path / "result.json").read_text()) for path in paths)
    if set(alone["students"]) != set(cohort["students"]):
        sys.exit(
            f"different students: {', '.join(alone['students'])} and "
            f"{', '.join(cohort['students'])}; wanted the same"
        )
    data = alone["data"]
    print(
        f"\nTest accuracy on {data['num_test']} images of {data['name']}, trained on "
        f"{data['num_train']} (one seed)"
    )
    print("\n".join(table(alone, cohort) + places(cohort, paths[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
