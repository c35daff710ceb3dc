"""Prints finished runs of the same students as a Markdown table, one row per run.

python tools/tabulate.py runs/one_epoch/*
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import finished_runs

from kdcl_tf.reproduction import circumstances


def row(name: str, result: Mapping[str, Any]) -> str:
    """A row of the table: `| run | accuracy of each student ... | ensemble | images/s |`.

    Args:
      name: the name of the run.
      result: the contents of its `result.json`.
    """
    accuracies = [f"{student['accuracy']:.2%}" for student in result["students"].values()]
    cells = [name, *accuracies, f"{result['ensemble_accuracy']:.2%}"]
    return " | ".join(["", *cells, f"{result['images_per_second']:.0f}", ""]).strip()


def names(paths: Sequence[pathlib.Path]) -> list[str]:
    """The end of each path, of as many folders as it takes to tell the runs apart.

    Args:
      paths: of the runs.
    """
    whole = [path.resolve().parts for path in paths]
    for count in range(1, max(map(len, whole)) + 1):
        found = ["/".join(parts[-count:]) for parts in whole]
        if len(set(found)) == len(set(whole)):
            break
    return found


def main(arguments: Sequence[str]) -> None:
    """Prints the table of the runs in some folders."""
    if not arguments:
        sys.exit("usage: tabulate.py WORKDIR ..., the workdirs of finished runs of kdcl-train")
    paths, results = finished_runs.read(arguments)
    students = list(results[0]["students"])
    for path, result in zip(paths, results):
        if list(result["students"]) != students:
            sys.exit(
                f"expected the students in the order of {paths[0]}, {', '.join(students)}; got "
                f"{path} of {', '.join(result['students'])}"
            )
    heads = ["run", *students, "ensemble", "images/s"]
    print(" | ".join(["", *heads, ""]).strip())
    print("|---" * len(heads) + "|")
    for name, result in zip(names(paths), results):
        print(row(name, result))
    for path, result in zip(paths[1:], results[1:]):
        told = circumstances.differences(result, results[0])
        if settings := finished_runs.differences(result, results[0]):
            told.insert(0, settings)
        for each in told:
            print(f"{path} and {paths[0]} differ in {each}.", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
