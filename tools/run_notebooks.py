"""Runs the notebooks of docs/ and writes their outputs into them.

    python tools/run_notebooks.py             runs all
    python tools/run_notebooks.py digits      runs those of these names

Each runs in an empty folder.  What differs from machine to machine and from run to run, such as
paths, times and notices of libraries, does not stay in a notebook.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys
import tempfile

import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "docs" / "pages" / "tutorials"

# Lines of libraries: of C++ loggers, and of Python's warnings with the line of code below.
_NOTICES = re.compile(
    r"^(?:[EWI]\d{4} .*|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*|INFO: Created TensorFlow Lite.*"
    r"|WARNING: All log messages.*|To enable the following instructions.*|.*Warning: .*\n.*)\n",
    re.MULTILINE,
)
# A bar of progress, and how long something took.
_BAR = re.compile(r"^ *\d+%\|.*\n?", re.MULTILINE)
_DURATION = re.compile(r" in \d+(?:\.\d+)? (?:s|min|h)$", re.MULTILINE)
_LONGEST_CELL = 1800  # Seconds.


def run(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> nbformat.NotebookNode:
    """Runs all cells in a folder; returns the notebook with its outputs, cleaned.

    Raises:
      nbclient.exceptions.CellExecutionError: when a cell fails.
    """
    # The programs of this environment, for lines that begin with `!`.
    programs = pathlib.Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=_LONGEST_CELL, resources=resources).execute()
    return cleaned(notebook, folder)


def cleaned(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> nbformat.NotebookNode:
    """The notebook without what only this machine or this run has."""
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        if cell.cell_type == "code":
            # A program's text comes in pieces, which may end within a line.
            outputs = [_output(each, str(folder)) for each in _joined(cell.outputs)]
            cell.outputs = [each for each in outputs if each]
    notebook.metadata = {
        "kernelspec": notebook.metadata.get("kernelspec", {}),
        "language_info": {"name": "python"},
    }
    return notebook


def _output(output, folder):
    """An output without paths and notices; None where nothing stays."""
    if output.output_type == "stream":
        output.text = _told(output.text).replace(folder, ".")
        return output if output.text.strip() else None
    data = output.get("data", {})
    if "image/png" in data:
        # `<Figure size 640x480 with 1 Axes>` says nothing beside the figure.
        data.pop("text/plain", None)
    return output


def _told(text):
    """What stays on a terminal, without bars, durations and notices."""
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    text = _BAR.sub("", "\n".join(lines))
    return _NOTICES.sub("", _DURATION.sub("", text))


def _joined(outputs):
    """Outputs of which what a program printed in several pieces is one."""
    found = []
    for each in outputs:
        if found and each.output_type == found[-1].output_type == "stream":
            found[-1].text += each.text
        else:
            found.append(each)
    return found


def main(names: list[str]) -> None:
    """Runs the notebooks of these names, or all."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        print(path.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            done = run(nbformat.read(path, as_version=4), pathlib.Path(folder).resolve())
        nbformat.write(done, path)


if __name__ == "__main__":
    main(sys.argv[1:])
