"""Settings that are paths: what they name, and whether it has moved or is gone."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping

from kdcl_tf.students.names import is_name
from kdcl_tf.students.weights.kinds import IMAGENET

__all__ = [
    "PATH_SETTINGS",
    "absolute_sources",
    "are_alike",
    "are_known",
    "exists",
    "is_gone",
    "is_moved",
    "parted",
]

# Where data and trained networks lie.  They may move: whether they are the same is told by their
# digests.
PATH_SETTINGS = (
    "dataset",
    "teacher",
    "backbone",
    "initial_weights",
    "train_images",
    "train_annotations",
    "validation_images",
    "validation_annotations",
)
# Of these, what may be named from the folder of the data set.
_IN_DATA = PATH_SETTINGS[-4:]
# Lists of NAME=VALUE.
_UNORDERED = ("initial_weights", "initial_normalization", "optimizer_arguments")
_PATH_KINDS = ("folder:", "tfrecord:", "coco:")


def are_alike(name: str, first: str | None, second: str | None) -> bool:
    """Whether two texts of a setting mean the same: of some, the order of what they list is free."""
    if first == second:
        return True
    if name not in _UNORDERED or None in (first, second):
        return False
    return sorted(first.split(",")) == sorted(second.split(","))


def is_moved(name: str, before: str | None, now: str | None) -> bool:
    """Whether a setting, as text, names the data by another path than before."""
    if name not in PATH_SETTINGS or not before or not now or before == now:
        return False
    if name == "backbone":
        # The name of a student stands for fresh weights; earlier versions took it for a path, too.
        names = {text for text in (before, now) if text == IMAGENET or is_name(text)}
        return not names or {os.path.normpath(path) for path in {before, now} - names} == names
    if name == "initial_weights":
        # What is no path cannot move.
        fixed = [
            {student: source if source == IMAGENET else "" for student, source in _sources(text)}
            for text in (before, now)
        ]
        return fixed[0] == fixed[1]
    if name != "dataset":
        return True
    return any(before.startswith(kind) and now.startswith(kind) for kind in _PATH_KINDS)


def is_gone(name: str, settings: Mapping[str, str]) -> bool:
    """Whether something that a setting of `PATH_SETTINGS` names is not there.

    Args:
      name: of the setting.
      settings: `{name: text}` of the run.
    """
    _, text = parted(settings[name])
    # Annotations and images may be named from the folder of the data set.
    folder = parted(settings.get("dataset", ""))[1] if name in _IN_DATA else ""
    return not all(
        path == IMAGENET or exists(path) or (folder and exists(os.path.join(folder, path)))
        for _, path in _sources(text)
    )


def exists(path: str) -> bool:
    """Whether there is a file or a folder, or any that a pattern such as `/data/*-of-*` names.

    Args:
      path: in which `~` is the user's home.
    """
    path = os.path.expanduser(path)
    return os.path.exists(path) or next(glob.iglob(path), None) is not None


def _sources(text):
    """`[(student, source)]` of `STUDENT=SOURCE,…`; of a path alone, whose student has no name."""
    pairs = [each.partition("=") for each in text.split(",")]
    if any(not equals or os.sep in student for student, equals, _ in pairs):
        return [("", text)]
    return [(student, source) for student, _, source in pairs]


def absolute_sources(text: str) -> str:
    """`STUDENT=SOURCE,…` with absolute paths; a source that is not there stays as it is."""
    found = []
    for student, source in _sources(text):
        path = os.path.expanduser(source)
        path = os.path.realpath(path) if os.path.exists(path) else source
        found.append(f"{student}={path}" if student else path)
    return ",".join(found)


def are_known(now: str, before: str) -> bool:
    """Whether each source of `now` that is a path of what is there is one of `before`, too.

    Args:
      now, before: absolute paths, or `STUDENT=SOURCE,…` of them.
    """
    known = dict(_sources(before))
    return all(
        known.get(student) == source or not exists(parted(source)[1])
        for student, source in _sources(now)
    )


def parted(text: str) -> tuple[str, str]:
    """`(kind of a data set with its colon or "", path)` of a setting that may be a path."""
    kind = next((each for each in _PATH_KINDS if text.startswith(each)), "")
    return kind, os.path.expanduser(text.removeprefix(kind))
