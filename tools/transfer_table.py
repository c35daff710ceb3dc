"""Prints the results of `tools/transfer.sh`: students alone and of a cohort, as backbones.

python tools/transfer_table.py runs/transfer
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kdcl_tf.reproduction.reporting.statistics import median, paired, spread

_STUDENT = "resnet18"
# Heading; the end of the name of the run's folder; the figure in its result, 0..1.
_COLUMNS = (
    ("CIFAR-100", "", lambda result: result["students"][_STUDENT]["accuracy"]),
    ("box AP", "_faster", lambda result: result["test_box_ap"]),
    ("box AP50", "_faster", lambda result: result["test_box_ap50"]),
    ("box AR100", "_faster", lambda result: result["test_box_ar100"]),
)


def values(
    folder: pathlib.Path, origin: str, suffix: str, read: Callable[[Mapping[str, Any]], float]
) -> dict[int, float]:
    """One figure of the complete runs of one origin, `{seed: percent}`.

    Args:
      folder: the folder of the runs.
      origin: "alone" or "cohort", the start of the names of the runs.
      suffix: the end of the names of the runs.
      read: gives the figure, 0..1, of a `result.json`.
    """
    found = {}
    for path in sorted(folder.glob(f"{origin}_[0-9]*{suffix}/result.json")):
        name = path.parent.name.removeprefix(f"{origin}_").removesuffix(suffix)
        if name.isdigit():
            found[int(name)] = 100 * read(json.loads(path.read_text()))
    return found


def told(numbers: Mapping[int, float]) -> str:
    """`12.34 (11.00 to 13.00)`: the median, and the least and the greatest if there are several."""
    if not numbers:
        return "none"
    ends = spread(numbers.values())
    text = f"{median(numbers.values()):.2f}"
    return f"{text} ({ends[0]:.2f} to {ends[1]:.2f})" if ends else text


def table(folder: pathlib.Path) -> list[str]:
    """Lines of Markdown: one row for students alone, one for those of a cohort, one of gains."""
    by_origin = {
        origin: [values(folder, origin, suffix, read) for _, suffix, read in _COLUMNS]
        for origin in ("alone", "cohort")
    }
    gains = [paired(cohort, alone) for alone, cohort in zip(*by_origin.values())]
    lines = [
        f"| {_STUDENT} | {' | '.join(heading for heading, _, _ in _COLUMNS)} |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    rows = {**by_origin, "gain, paired by seed": gains}
    lines += [
        f"| {name} | {' | '.join(told(column) for column in columns)} |"
        for name, columns in rows.items()
    ]
    return lines + _unlike_seeds(by_origin)


def _unlike_seeds(by_origin):
    """A line on the seeds of every figure, where they are not the same of all."""
    found = {
        f"{heading} of {origin}": ", ".join(map(str, sorted(column))) or "none"
        for origin, columns in by_origin.items()
        for (heading, _, _), column in zip(_COLUMNS, columns)
    }
    if len(set(found.values())) == 1:
        return []
    told = "; ".join(f"{name}: {seeds}" for name, seeds in found.items())
    return ["", f"The figures are not of the same seeds: {told}."]


def main(arguments: Sequence[str]) -> None:
    """Prints the table of a folder of runs."""
    if len(arguments) != 1 or not pathlib.Path(arguments[0]).is_dir():
        sys.exit("usage: transfer_table.py FOLDER, the folder of the runs of transfer.sh")
    print("\n".join(table(pathlib.Path(arguments[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
