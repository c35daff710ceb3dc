"""Makes every table and picture of the proof from the JSON lines in results/proof.

    python tools/publish.py                from what is there
    python tools/publish.py --runs=runs    first copies what has become complete

Of a complete run, its log and its result are copied, no checkpoint.  They are copied only if they
agree with each other and with the plan: every epoch once, as many steps as its images make, the
numbers of the last epoch, the planned teacher, and the images of the other runs.  A run that is
not complete is named and left out.  What is published of it from before stays, which is told, until
its folder in results/proof is deleted.

Writes results/proof/report.md, the table at the top of results/README.md, and docs/pictures.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from kdcl_tf import files
from kdcl_tf.programs import command_line
from kdcl_tf.reproduction import analyses, collecting, proof
from kdcl_tf.reproduction.reporting.proof import report
from kdcl_tf.training.run_files import read_result

_ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = _ROOT / "results"
PROOF = RESULTS / "proof"
MOST_MEGABYTES = 6
BEGIN, END = "<!-- tools/publish.py writes from here -->", "<!-- to here -->"


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines where the runs are."""
    flags.DEFINE_string(
        "runs",
        None,
        "The folder of the runs of tools/prove.py; by default nothing is copied.",
        flag_values,
    )
    flags.DEFINE_bool("pictures", True, "Also draw docs/pictures.", flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Copies, tells, draws."""
    with command_line.user_errors():
        runs, refused = flag_values["runs"].value, []
        if runs:
            refused = list(collect(_folder(runs)))
        write_report()
    if flag_values["pictures"].value:
        import figures

        figures.draw_all()
    with command_line.user_errors():
        check_size()
        if refused:
            raise ValueError("; ".join(refused))


def _folder(text):
    folder = pathlib.Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise ValueError(f"--runs: expected the folder of the runs of tools/prove.py; got {text}")
    return folder


def collect(runs: pathlib.Path) -> Iterator[str]:
    """Copies what is complete; yields why a run or an analysis was refused."""
    not_begun, copied, known = 0, [], published()
    planned = proof.runs(proof.PARTS, runs)
    for run in planned:
        target = PROOF / run.workdir.relative_to(runs)
        former = f"; {target}, from before, stays" if target in known else ""
        beside = [result for path, result in known.items() if path != target]
        if not any((run.workdir / name).exists() for name in ("log.jsonl", "result.json")):
            not_begun += target not in known
            continue
        try:
            collecting.collect(run, target, beside)
        except collecting.NotComplete as told:
            print(f"left out, not complete: {told}{former}")
        except ValueError as error:
            yield f"{error}{former}"
        else:
            copied.append(run)
            known[target] = read_result(target)
    print(f"not begun: {not_begun} runs")
    yield from _not_planned(known, [PROOF / run.workdir.relative_to(runs) for run in planned])
    yield from _analyses(copied, runs)


def _analyses(copied, runs):
    """Copies the analyses of runs that are copied; yields why one was refused."""
    for analysis in analyses.ANALYSES:
        if analyses.output(analysis, runs).exists():
            try:
                target = analyses.output(analysis, PROOF)
                collecting.collect_analysis(analysis, copied, runs, target)
            except ValueError as error:
                yield str(error)


def _not_planned(known, planned):
    for path in known:
        if path not in planned:
            yield f"{path} is of no run of the proof, and in no table: delete it"


def published() -> dict[pathlib.Path, dict[str, Any]]:
    """`{folder: result.json}` of the runs that are published."""
    return {path.parent: read_result(path.parent) for path in sorted(PROOF.rglob("result.json"))}


def write_report() -> None:
    """Writes the report, and the table that sums it up into results/README.md."""
    PROOF.mkdir(exist_ok=True)
    files.write_text(PROOF / "report.md", report.markdown(PROOF))
    readme = RESULTS / "README.md"
    files.write_text(readme, with_table(readme.read_text(), report.summary(PROOF)))


def with_table(text: str, table: str) -> str:
    """A text with another table between its two marks.

    Raises:
      ValueError: when it does not have both marks, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"expected results/README.md to have {BEGIN!r} and {END!r}, once each")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def check_size() -> None:
    """Raises ValueError when results/ is larger than a repository should carry."""
    megabytes = collecting.size(RESULTS) / 1e6
    if megabytes >= MOST_MEGABYTES:
        raise ValueError(
            f"expected results/ below {MOST_MEGABYTES} MB; got {megabytes:.1f}: take something out"
        )
    print(f"results/: {megabytes:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    command_line.run(define_flags, main)
