"""The names in a run's folder that are the run's own, and whose a file of such a name would be."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
from typing import Any

from kdcl_tf.files import run_flags

__all__ = ["CARDS", "DETECTOR_CARD", "FILES", "FOLDERS", "STUDENT_CARD", "run_of"]

# What an exported student, and a detector, is known by; the run has them in folders of their own.
STUDENT_CARD = "student.json"
DETECTOR_CARD = "detector.json"
CARDS = (STUDENT_CARD, DETECTOR_CARD)

FILES = frozenset(
    {
        *("flags.txt", "log.jsonl", "result.json", "detections.json", "error.txt"),
        *("held_out.txt", "test_images.txt", "validation_images.txt", "bad_images.txt"),
        *("accuracy.png", "curves.png"),
        # Of a comparison.
        *("comparison.json", "comparison.txt"),
    }
)
# Nothing but the run writes into them. Beside its students others may.
FOLDERS = frozenset({"checkpoints", "tensorboard", "detector"})
# What a result of any version has, and no file of scores or predictions.
_OF_A_RESULT = ("identity", "settings")
_CHECKPOINT = re.compile("step-[0-9]{9,}")


def run_of(path: str | os.PathLike) -> pathlib.Path | None:
    """The folder of the run, or comparison, that a file would belong to by its name.

    Args:
      path: of a file that is going to be written; it need not be there. Links are followed.

    Returns:
      None where no run has written, or is going to write, a file of this name.
    """
    place = pathlib.Path(os.path.realpath(path))
    for depth, folder in enumerate(place.parents):
        name = place.parts[-1 - depth]
        if _is_one_of(FOLDERS if depth else FILES, folder, name) and _is_run(folder):
            return folder
    return None


def _is_one_of(names, folder, name):
    known = name.lower()
    if known not in names or known == name:
        return known in names
    # Where capital letters make no difference, it is the same file.
    with contextlib.suppress(OSError):
        return os.path.samefile(folder / name, folder / known)
    return False


def _is_run(folder):
    """Whether anything in a folder tells that it is a run's, or a comparison's."""
    with contextlib.suppress(OSError):
        if run_flags.read(folder / "flags.txt") or _has_checkpoints(folder):
            return True
    if any(name in _object_in(folder / "result.json") for name in _OF_A_RESULT):
        return True
    if "epoch" in _object_in(folder / "log.jsonl"):
        return True
    is_comparison = any((folder / name).is_dir() for name in ("cohort", "alone"))
    return is_comparison and "seeds" in _object_in(folder / "comparison.json")


def _has_checkpoints(folder):
    return any(map(_CHECKPOINT.fullmatch, os.listdir(folder / "checkpoints")))


def _object_in(path) -> dict[str, Any]:
    """The JSON object in a file, or in the first line of a log; {} for anything else."""
    try:
        content = path.read_bytes()
        found = json.loads(content.partition(b"\n")[0] if path.suffix == ".jsonl" else content)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
