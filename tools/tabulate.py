"""Prints finished runs of the same students as a Markdown table, a row a run.

python tools/tabulate.py runs/one_epoch/*
"""

import json
import pathlib
import sys


def row(name, result):
    """`| run | accuracy a student ... | ensemble | images/s |` of one `result.json`."""
    accuracies = [f"{student['accuracy']:.2%}" for student in result["students"].values()]
    cells = [name, *accuracies, f"{result['ensemble_accuracy']:.2%}"]
    return " | ".join(["", *cells, f"{result['images_per_second']:.0f}", ""]).strip()


def main(arguments):
    if not arguments:
        sys.exit("usage: tabulate.py WORKDIR ..., finished runs of kdcl-train")
    paths = [pathlib.Path(each) for each in arguments]
    results = [json.loads((path / "result.json").read_text()) for path in paths]
    students = list(results[0]["students"])
    heads = ["run", *students, "ensemble", "images/s"]
    print(" | ".join(["", *heads, ""]).strip())
    print("|---" * len(heads) + "|")
    for path, result in zip(paths, results):
        print(row(path.name, result))


if __name__ == "__main__":
    main(sys.argv[1:])
