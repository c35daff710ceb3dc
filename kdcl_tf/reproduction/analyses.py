"""The paper's analyses on the students of complete runs, each a run of `kdcl-evaluate`.

The gap between the losses of runs by epoch is in every report: it needs logs alone.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
from collections.abc import Callable, Iterator, Sequence

from kdcl_tf.reproduction import child_programs
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.serving import exported


@dataclasses.dataclass(frozen=True)
class Analysis:
    """One analysis of some students.

    Attributes:
      name: the name of its file.
      kind: the value of `kdcl-evaluate --analysis`.
      shows: what it shows, and where the paper has it.
      folder: the name of the folder of the runs.
      rows: the names of the runs whose students are analysed.
      position: of the one student of each run that is analysed; None for all.
    """

    name: str
    kind: str
    shows: str
    folder: str
    rows: tuple[str, ...]
    position: int | None = None


# Of a student's path from there on: table, row, seed, "students", student.
_PARTS_OF_A_STUDENT = 5

_ALL, _SMALL = "table7_medium", "table7_small"
# General trains on fewer images of all, as many as the students of this row.
HELD_OUT = "vanilla_held_out"


def _of_cohorts(suffix: str, images: str, folder: str, rows: tuple[str, ...]) -> Iterator[Analysis]:
    """The paper's analyses of some cohorts.

    Args:
      suffix: of the names of their files.
      images: what the students were trained on, in words.
      folder, rows: of the runs; the students of the first row train alone.
    """
    # The paper shows the first student's noise alone.
    for position, (student, where) in enumerate((("first", "Fig. 4"), ("second", "section 5"))):
        shows = f"Test loss of the {student} student under Gaussian noise ({where}), {images}"
        yield Analysis(
            f"noise_of_{student}_student{suffix}", "noise", shows, folder, rows, position
        )
    for kind, shows, of_rows in (
        (
            "categories",
            "Where the weaker of two students that train alone is the better one (Fig. 3)",
            rows[:1],
        ),
        (
            "overfitting",
            "Accuracy on undistorted training images and on test images (section 4.2)",
            rows,
        ),
        ("spread", "Deviation of predictions within a class (section 5)", rows),
    ):
        yield Analysis(f"{kind}{suffix}", kind, f"{shows}, {images}", folder, of_rows)


ANALYSES = (
    *_of_cohorts(
        "",
        "all of CIFAR-100",
        _ALL,
        ("vanilla", "dml", "min_logit_icl", HELD_OUT, "general_icl"),
    ),
    *_of_cohorts(
        "_of_200_epochs",
        "45 images per class for 200 epochs",
        _SMALL,
        ("vanilla_45_images_200_epochs", "min_logit_icl_45_images_200_epochs"),
    ),
    Analysis(
        "spread_by_icl",
        "spread",
        "Deviation of predictions within a class, with ICL and without (section 5), 45 images per "
        "class for 100 epochs",
        _SMALL,
        ("naive", "naive_icl"),
    ),
)


def arguments(analysis: Analysis, runs: Sequence[Run], folder: pathlib.Path) -> list[str]:
    """The flags of `kdcl-evaluate`, without `--data_dir`.

    Args:
      analysis: what to find out.
      runs: of the proof, seed 0 of the analysis's rows among them.
      folder: the folder of the folders of runs.

    Raises:
      NotReady: when one of the runs is not complete.
    """
    found = chosen(analysis, runs)
    missing = [run.row for run in found if not run.is_complete]
    if missing:
        raise NotReady(f"{analysis.name}: waits for {', '.join(missing)}")
    given = [
        f"--analysis={analysis.kind}",
        f"--workdir={','.join(str(run.workdir) for run in found)}",
        f"--output={output(analysis, folder)}",
    ]
    if analysis.position is not None:
        given.append(f"--student={found[0].settings.student_names[analysis.position]}")
    return given


def chosen(analysis: Analysis, runs: Sequence[Run]) -> list[Run]:
    """The runs of an analysis among others, row by row.

    Args:
      analysis: of runs of seed 0.
      runs: of the proof, all or some.
    """
    return [
        run
        for row in analysis.rows
        for run in runs
        if (run.workdir.parent.parent.name, run.row, run.seed) == (analysis.folder, row, 0)
    ]


def students(analysis: Analysis, runs: Sequence[Run]) -> list[pathlib.Path]:
    """The folders of the students that an analysis is of, in the order of `kdcl-evaluate`.

    Args:
      analysis: of students of complete runs.
      runs: as in `arguments`.
    """
    found = []
    for run in chosen(analysis, runs):
        folder = run.workdir / "students"
        names = run.settings.student_names
        named = sorted(names) if analysis.position is None else [names[analysis.position]]
        found += [folder / name for name in named]
    return found


def fault(analysis: Analysis, runs: Sequence[Run], folder: pathlib.Path) -> str:
    """Why the file of an analysis is not of its runs' students, in words; "" if it is.

    Students that are not there are not compared.

    Args:
      analysis: whose file exists.
      runs, folder: as in `arguments`.
    """
    try:
        found = json.loads(output(analysis, folder).read_text())
        kind, paths, digests = found["analysis"], found["students"], found["digests"]
        got = [student_of(pathlib.Path(path)) for path in paths]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return f"is damaged, or of an older version ({type(error).__name__}: {error})"
    there = students(analysis, runs)
    expected = [student_of(path) for path in there]
    if (kind, got) != (analysis.kind, expected):
        return f"expected {analysis.kind} of {', '.join(expected)}; got {kind} of {', '.join(got)}"
    changed = [
        name
        for name, path, digest in zip(expected, there, digests)
        # There are results without their students where published ones were copied.
        if path.is_dir() and exported.digest(path, digest) != digest
    ]
    return f"is of other students than those that are in {', '.join(changed)}" if changed else ""


def student_of(path: pathlib.Path) -> str:
    """A student's path from the folder of the folders of runs on, wherever that lies."""
    return "/".join(path.parts[-_PARTS_OF_A_STUDENT:])


class NotReady(Exception):
    """Some runs that an analysis needs are not complete; the message names them."""


def output(analysis: Analysis, folder: pathlib.Path) -> pathlib.Path:
    """The JSON file of an analysis."""
    return folder / analysis.folder / "analyses" / f"{analysis.name}.json"


def analyse(
    analyses: Sequence[Analysis],
    runs: Sequence[Run],
    folder: pathlib.Path,
    more: Sequence[str] = (),
    say: Callable[[str], object] = print,
) -> None:
    """Makes the analyses whose runs are complete, but for those whose file is of their students.

    Args:
      analyses: to make, such as `ANALYSES`.
      runs: those of the proof.
      folder: the folder of the folders of runs.
      more: further flags of `kdcl-evaluate`, such as `--data_dir`.
      say: a function that shows one line of text.

    Raises:
      AnalysisFailed: naming the first that failed, with what it printed last.
    """
    for analysis in analyses:
        path = output(analysis, folder)
        try:
            given = arguments(analysis, runs, folder)
        except NotReady as waits:
            say(str(waits))
            continue
        if path.exists():
            told = fault(analysis, runs, folder)
            if not told:
                say(f"{analysis.name}: done already")
                continue
            say(f"{analysis.name}: made anew, since {path} {told}")
        path.parent.mkdir(parents=True, exist_ok=True)
        command = child_programs.command("evaluate", [*given, *more])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            told = child_programs.end(done.returncode, done.stderr)
            raise AnalysisFailed(f"{analysis.name}: {told}")
        say(f"{analysis.name}: {path}")


class AnalysisFailed(Exception):
    """An analysis ended with an error; the message says which, and why."""
