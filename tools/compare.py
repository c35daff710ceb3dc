"""Shows two finished runs of the same students side by side.

python tools/compare.py runs/alone runs/cohort

`kdcl-train --compare` trains both, and shows the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import finished_runs

from kdcl_tf.comparison import arms, comparing, findings
from kdcl_tf.training.settings import MACHINE_SETTINGS, PATH_SETTINGS

# Settings in which a cohort and its students alone may differ.
_FREE = ("method", "evaluate_every", *arms.OF_METHODS, *MACHINE_SETTINGS, *PATH_SETTINGS)

# Both the setting, and what a digest of data calls the contents.
_SOURCES = "initial_weights"


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
    if told := differences(alone, cohort):
        lines.append(f"The gains are not those of the method alone, as the runs differ in {told}.")
    print("\n".join([*lines, *comparing.places(cohort, paths[1])]))


def differences(alone: Mapping[str, Any], cohort: Mapping[str, Any]) -> str:
    """Settings other than those of the method that differ, such as `epochs (60 and 100)`; or "".

    Args:
      alone, cohort: the contents of `result.json`; what one of them does not tell is not compared.
    """
    before, now = (each.get("settings", {}) for each in (alone, cohort))
    told = [
        f"{name} ({before[name]} and {now[name]})"
        for name in before
        if name in now and name not in _FREE and before[name] != now[name]
    ]
    # Weights are compared by their contents, wherever they lie.
    sources = [
        each.get("identity", {}).get("data", {}).get(_SOURCES, {}) for each in (alone, cohort)
    ]
    if sources[0] != sources[1]:
        told.append(f"{_SOURCES} (of {' and '.join(map(_students_of, sources))})")
    return ", ".join(told)


def _students_of(sources):
    """The students that start from weights, each with the first digits of their digest."""
    return ", ".join(f"{name} {digest[:8]}" for name, digest in sources.items()) or "no student"


if __name__ == "__main__":
    main(sys.argv[1:])
