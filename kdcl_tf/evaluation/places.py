"""Where the students to analyse are, and where what is found goes."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdcl_tf import files
from kdcl_tf.files import outputs
from kdcl_tf.serving import exported, replacing

if TYPE_CHECKING:
    from kdcl_tf.evaluation.analyses.analysis import Analysis

__all__ = ["absolute", "output_files", "student_paths", "write"]


def student_paths(
    workdirs: Sequence[str],
    models: Sequence[str],
    student: str | None = None,
    needs_models: bool = True,
) -> list[pathlib.Path]:
    """The folders of the students to analyse.

    Args:
      workdirs: of runs.
      models: folders or files of exported students.
      student: the name of one in each run; None for all.
      needs_models: whether each student must be exported; otherwise the logs of the runs tell
        whether there is such a student, and without a name there are no folders.

    Raises:
      ValueError: when not exactly one of workdirs and models is given, a run has no such student,
        or one is named twice.
    """
    if bool(workdirs) == bool(models):
        raise ValueError(
            f"expected exactly one of --workdir and --model; got {'both' if models else 'neither'}"
        )
    if models and student is not None:
        raise ValueError(
            f"expected --student={student} with --workdir, of whose students it names one; got "
            f"--model={','.join(models)}: leave out --student"
        )
    named = [absolute(each) for each in models or workdirs]
    twice = [str(path) for path in dict.fromkeys(named) if named.count(path) > 1]
    if twice:
        raise ValueError(
            f"expected each of --{'model' if models else 'workdir'} once; got {twice[0]} twice"
        )
    if models:
        return named
    if not needs_models:
        # Whoever reads logs asks for the name that is not given.
        return [_with_log(run) / "students" / student for run in named] if student else []
    return [path for run in workdirs for path in _exported(run, student)]


def _with_log(run):
    if (run / "log.jsonl").exists():
        return run
    if not run.exists():
        found = "is not there"
    elif run.name == "students" and (run.parent / "log.jsonl").exists():
        # Where no student is exported, too.
        found = (
            f"has no log.jsonl; it is the folder of a run's students: pass the run, {run.parent}"
        )
    else:
        found = f"has no log.jsonl{exported.runs_in(run)}"
    raise ValueError(
        f"expected runs of kdcl-train, whose logs are compared; got --workdir={run}, which {found}"
    )


def absolute(path: str | os.PathLike) -> pathlib.Path:
    """The path from the root; what a link is called and lies beside stays."""
    return pathlib.Path(os.path.abspath(os.path.expanduser(path)))


def _exported(workdir: str, student: str | None) -> list[pathlib.Path]:
    run = absolute(workdir)
    paths = exported.students_of(run)
    if not paths:
        raise ValueError(
            "expected a run of kdcl-train that is complete, or one that kdcl-export has exported; "
            f"got --workdir={workdir}, which "
            + (
                f"has no exported students{exported.runs_in(run)}"
                if run.exists()
                else "is not there"
            )
        )
    if student is None:
        return paths
    found = [path for path in paths if path.name == student]
    if not found:
        known = ", ".join(path.name for path in paths)
        raise ValueError(f"expected --student to be one of {known} of {workdir}; got {student}")
    return found


def output_files(
    values: Mapping[str, Any], paths: Sequence[pathlib.Path]
) -> tuple[pathlib.Path | None, pathlib.Path | None]:
    """`(JSON file or None, PNG or None)`, in folders that `write` finds or makes.

    Raises:
      ValueError: when a folder that a flag names does not exist, one cannot be written to, or the
        JSON file has the name of a picture or table, or the other way round; when a file is a run's
        or a model's own; and when a student is not there.
    """
    # Of several students, confusion writes a table each.
    tables = [f".{path.name}.csv" for path in paths] if len(paths) > 1 else [".csv"]
    beside = max(tables, key=len) if values["analysis"] == "confusion" else ""
    output = outputs.named("output", values["output"], beside)
    plot = outputs.named("plot", values["plot"])
    replacing.check_apart(output, paths)
    if plot and (plot == output or plot.suffix.lower() in (".json", ".csv", ".html")):
        raise ValueError(
            f"expected --plot to name a picture, such as {plot.with_suffix('.png').name}; got "
            f"{values['plot']}"
        )
    if output and output.suffix.lower() in (".png", ".csv", ".html"):
        raise ValueError(
            f"expected --output to name a JSON file, such as {output.with_suffix('.json').name}; got "
            f"{values['output']}"
        )
    if values["analysis"] != "loss_gap":
        _check_there(paths)
    if values["analysis"] == "scores":
        return output, None
    output = output or _folder_of_analyses(paths[0]) / f"{values['analysis']}.json"
    if plot or values["output"]:
        # The folder of analyses is one of their own, wherever the student is.
        replacing.check_apart(plot or output.with_suffix(".png"), paths, "plot")
    return output, plot or output.with_suffix(".png")


def _check_there(paths):
    for path in paths:
        # The first question puts back a folder that a killed process left renamed aside.
        if not (exported.holds_model(path) or path.exists()):
            raise ValueError(
                "expected an exported student, a folder such as WORKDIR/students/NAME or a .tflite or"
                f" .onnx file; got {path}, which is not there"
            )


def _folder_of_analyses(student):
    """Where analyses go, made by `write`: beside `students/`, or beside a model that is in no run."""
    beside = student.parent.parent if student.parent.name == "students" else student.parent
    folder = beside / "analyses"
    try:
        files.check_writable(folder if os.path.lexists(folder) else beside)
    except OSError as error:
        raise ValueError(
            f"expected a folder {folder} that can be written to; got {error.strerror}: pass --output"
        ) from error
    return folder


def write(
    found: Analysis,
    analysis: str,
    paths: Sequence[pathlib.Path],
    output: pathlib.Path,
    plot: pathlib.Path | None,
) -> None:
    """Writes the numbers and, where there is one, the plot; makes the folder of the numbers."""
    numbers = found.numbers
    output.parent.mkdir(exist_ok=True)
    # A file of scores has nothing else in it, as it had before there were other analyses.
    if analysis != "scores":
        students = [str(path) for path in paths]
        # A student that is trained anew is in the same place; its log does without an export.
        digests = [exported.digest(path) if path.exists() else None for path in paths]
        numbers = {
            "analysis": analysis,
            "students": students,
            "digests": digests,
            "numbers": numbers,
        }
    files.write_text(output, json.dumps(numbers, indent=2) + "\n")
    further = found.write(output) if found.write else []
    if plot and found.draw:
        found.draw(plot)
        print(f"numbers: {output}; plot: {plot}")
    for path in further:
        print(f"written: {path}")
