"""Shows two finished runs of the same students side by side.

python tools/compare.py runs/alone runs/cohort

`kdcl-train --compare` trains both, and shows the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import finished_runs

from kdcl_tf.comparison import comparing, findings


def main(arguments: Sequence[str]) -> None:
    """Prints the table of two runs."""
    if len(arguments) != 2:
        sys.exit(
            "usage: compare.py ALONE COHORT, the workdirs of two finished runs of kdcl-train with "
            "the same students"
        )
    paths, (alone, cohort) = finished_runs.read(arguments)
    method = alone.get("settings", {}).get("method", "independent")
    if method != "independent":
        sys.exit(
            f"expected the first run to be of --method=independent; got {paths[0]} of "
            f"--method={method}"
        )
    names = dict.fromkeys(alone["students"])
    seed = cohort.get("settings", {}).get("seed", 0)
    found = findings.findings({seed: alone}, {seed: cohort}, dict(zip(names, names)))
    lines = ["", findings.table(found)]
    if told := finished_runs.differences(alone, cohort):
        lines.append(f"The gains are not those of the method alone, as the runs differ in {told}.")
    print("\n".join([*lines, *comparing.places(cohort, paths[1])]))


if __name__ == "__main__":
    main(sys.argv[1:])
