"""Shows two finished runs of the same students side by side.

python tools/compare.py runs/alone runs/cohort

`kdcl-train --compare` trains both, and shows the same.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from kdcl_tf.comparison import comparing, findings
from kdcl_tf.reproduction import same_images
from kdcl_tf.training.workdir import read_result


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
    try:
        alone, cohort = (read_result(path) for path in paths)
    except ValueError as error:
        sys.exit(str(error))
    if set(alone["students"]) != set(cohort["students"]):
        sys.exit(
            f"expected two runs of the same students; got {', '.join(alone['students'])}, and "
            f"{', '.join(cohort['students'])}"
        )
    tested, other = (
        f"{each['data']['num_test']} images of {each['data']['name']}" for each in (alone, cohort)
    )
    changes = same_images.changes(alone, cohort)
    if tested != other or changes:
        told = changes or f"{tested}, and {other}"
        sys.exit(f"expected two runs with the same test images; got {told}")
    names = dict.fromkeys(alone["students"])
    found = findings.findings({0: alone}, {0: cohort}, dict(zip(names, names)))
    print("\n".join(["", findings.table(found), *comparing.places(cohort, paths[1])]))


if __name__ == "__main__":
    main(sys.argv[1:])
