"""The names in a run's folder that are the run's own, and whose a file of such a name would be."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
from typing import Any

from kdcl_tf.files import run_flags

__all__ = ["CARDS", "DETECTOR_CARD", "FILES", "FOLDERS", "STUDENT_CARD", "places", "run_of"]

# What an exported student, and a detector, is known by; the run has them in folders of their own.
STUDENT_CARD = "student.json"
DETECTOR_CARD = "detector.json"
CARDS = (STUDENT_CARD, DETECTOR_CARD)

# What a run, or a comparison, has in its folder, and which of it only a detector or a classifier has.
FILES = {
    "run": {"flags.txt", "log.jsonl", "result.json", "error.txt"},
    "detector": {"detections.json", "curves.png"},
    "classifier": {
        *("held_out.txt", "test_images.txt", "validation_images.txt", "bad_images.txt"),
        "accuracy.png",
    },
    "comparison": {"comparison.json", "comparison.txt"},
}
# Nothing but the run writes into them. Beside its students others may.
FOLDERS = {"run": {"checkpoints", "tensorboard"}, "detector": {"detector"}}
# What a log of any version tells of an epoch, and the flags of any run.
_OF_AN_EPOCH = {"epoch", "seconds", "images_per_second"}
_FLAGS = {"epochs", "seed"}
_CHECKPOINT = re.compile("step-[0-9]{9,}")


def run_of(path: str | os.PathLike) -> pathlib.Path | None:
    """The folder of the run, or comparison, that a file would belong to by its name.

    Args:
      path: of a file that is going to be written; it need not be there.  What it is a link to counts,
        and the link itself.

    Returns:
      None where no run has written, or is going to write, a file of this name.
    """
    for place in places(path):
        for depth, folder in enumerate(place.parents):
            name = place.parts[-1 - depth]
            if _is_one_of(FOLDERS if depth else FILES, folder, name):
                return folder
    return None


def places(path: str | os.PathLike) -> list[pathlib.Path]:
    """Where a file is that is going to be written: by its name, by its folder's, and by its own place.

    They differ where links are: one that is replaced is lost, and what it names is not.

    Args:
      path: of the file, which need not be there.
    """
    named = pathlib.Path(os.path.abspath(path))
    in_folder = pathlib.Path(os.path.realpath(named.parent), named.name)
    return list(dict.fromkeys([named, in_folder, pathlib.Path(os.path.realpath(path))]))


def _is_one_of(names, folder, name):
    known = name.lower()
    kinds = {kind for kind, own in names.items() if known in own}
    if not kinds or not kinds & _kinds_of(folder):
        return False
    if known == name:
        return True
    # Where capital letters make no difference, it is the same file.
    with contextlib.suppress(OSError):
        return os.path.samefile(folder / name, folder / known)
    return False


def _kinds_of(folder):
    """What a folder tells that it is: "run" with "detector" or "classifier", "comparison", nothing."""
    settings = _settings_in(folder)
    if settings is None:
        arms = [*folder.glob("cohort/seed*"), *folder.glob("alone/seed*")]
        is_comparison = "seeds" in _object_in(folder / "comparison.json") or any(
            _settings_in(arm) is not None for arm in arms
        )
        return {"comparison"} if arms and is_comparison else set()
    if not settings:
        return {"run", "detector", "classifier"}
    return {"run", "detector" if "detector" in settings else "classifier"}


def _settings_in(folder):
    """The settings of the run in a folder, empty where only its log or a checkpoint is left.

    None of a folder that is no run's.
    """
    flags = folder / "flags.txt"
    with contextlib.suppress(OSError):
        found = run_flags.read(flags)
        if found.keys() >= _FLAGS or (found and run_flags.has_format(flags)):
            return found
    # No file of scores or predictions has them.
    result = _object_in(folder / "result.json")
    found = result.get("settings") or result.get("identity", {}).get("settings")
    if found:
        return found
    is_log = _object_in(folder / "log.jsonl").keys() >= _OF_AN_EPOCH
    return {} if is_log or _has_checkpoints(folder) else None


def _has_checkpoints(folder):
    with contextlib.suppress(OSError):
        return any(map(_CHECKPOINT.fullmatch, os.listdir(folder / "checkpoints")))
    return False


def _object_in(path) -> dict[str, Any]:
    """The JSON object in a file, or in the first line of a log; {} for anything else."""
    try:
        content = path.read_bytes()
        found = json.loads(content.partition(b"\n")[0] if path.suffix == ".jsonl" else content)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
