"""Refusals of folders that hold another run, or one of other data."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Mapping
from typing import Any

from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT, Identity
from kdcl_tf.training.ownership.differences import IS_FRESH, WAS_FRESH, data_changes, other_settings
from kdcl_tf.training.ownership.recorded import identities, recorded
from kdcl_tf.training.settings import MACHINE_SETTINGS, TrainingSettings
from kdcl_tf.training.settings.paths import are_alike, is_moved

__all__ = ["OtherDataError", "check_data", "check_one_run", "check_same_data", "check_settings"]

# What has changed, as `identity.data_changes` begins to tell it, and what that is called.
_RESTORED = (
    ("initial_weights", "weights"),
    ("teacher_card", "card beside the teacher as it was"),
    ("teacher", "teacher as it was, which an export over it replaces"),
    ("backbone_card", "card beside the backbone as it was"),
    (IS_FRESH, "path of the trained one, such as --backbone=./resnet18"),
    (WAS_FRESH, "name of a student alone"),
    ("backbone", "backbone as it was, which an export over it replaces"),
)


def check_settings(
    path: pathlib.Path,
    result: Mapping[str, Any] | None,
    settings: TrainingSettings,
    free: Collection[str] = (),
) -> bool:
    """Refuses a folder that holds another run.

    The settings of the machine may differ, since they do not decide the run's numbers, and paths
    of data, which `check_data` compares.  A run from before a flag existed is taken to have had
    its default.

    Args:
      path: the folder.
      result: its `result.json`, or None.
      settings: of the run that the folder should hold.
      free: names of further settings that may differ.

    Returns:
      Whether the data lies elsewhere now: then only `check_data` can tell whose run it is.

    Raises:
      ValueError: for a run of another format or program, or of other flags, naming each with
        both values; for a folder whose run cannot be told; and for damaged files.
    """
    moved = False
    for found, before in recorded(path, result):
        if found != FORMAT:
            raise ValueError(
                f"workdir {path} holds a run of format {found}; expected format {FORMAT}, that "
                "of this version of kdcl_tf: pass another --workdir, or continue it with the "
                "version that began it (its log and exported models stay readable)"
            )
        moved |= _compare(path, dict(before), settings, free)
    return moved


def _compare(path, before, settings, free):
    flags = settings.as_flags()
    strange = [name for name in before if name not in flags]
    if strange and 2 * len(before.keys() & flags.keys()) < len(before.keys() | flags.keys()):
        raise ValueError(
            f"workdir {path} is a run of another program, which has --{strange[0]}: pass "
            "another --workdir"
        )
    for name, text in settings.default_flags().items():
        before.setdefault(name, text)
    names = [
        name
        for name in {**before, **flags}
        if name not in (*MACHINE_SETTINGS, *free)
        and not are_alike(name, before.get(name), flags.get(name))
    ]
    moved = [name for name in names if is_moved(name, before.get(name), flags.get(name))]
    differ = [
        f"--{name}={before.get(name, '(absent)')} (now {flags.get(name, '(absent)')})"
        for name in names
        if name not in moved
    ]
    if differ:
        raise ValueError(
            f"workdir {path} was made with other flags: {', '.join(differ)}; pass those, or "
            "another --workdir"
        )
    return bool(moved)


def check_data(path: pathlib.Path, result: Mapping[str, Any] | None, now: Identity) -> str:
    """Refuses to continue a run on other data than it was begun with.

    Args:
      path: the folder.
      result: its `result.json`, or None.
      now: the run's identity, with the data that was loaded.

    Returns:
      Which packages had another version then, in words; "" where there is nothing to tell.

    Raises:
      ValueError: naming what changed.
    """
    versions = ""
    for before in identities(path, result):
        _compare_data(path, before, now.facts)
        versions = versions or identity.version_changes(before["versions"], now.versions)
    return versions


def _compare_data(path, before, now):
    changes = data_changes(before, now)
    if changes:
        what = next((name for key, name in _RESTORED if changes.startswith(key)), "images")
        raise ValueError(
            f"the data is not what the run in {path} was begun with: {changes}; restore the "
            f"{what}, or pass another --workdir"
        )


def check_one_run(path: pathlib.Path, result: Mapping[str, Any] | None) -> None:
    """Refuses a folder whose result and checkpoints are not of one run.

    Raises:
      ValueError: naming what differs.
    """
    first, *others = identities(path, result) or [None]
    for other in others:
        settings = other_settings(first["settings"], other["settings"])
        changes = data_changes(first, other)
        if settings or changes:
            told = changes or ", ".join(f"--{name}" for name in settings)
            raise ValueError(
                f"{path} holds files of two runs, which differ in {told}: take out those of one"
            )


class OtherDataError(ValueError):
    """Two runs were trained on different data. The message names them, and what differs."""


def check_same_data(
    runs: Mapping[pathlib.Path, Mapping[str, Any] | None], parts: Collection[str] | None = None
) -> None:
    """Refuses runs that are to be compared, and whose identities tell different data.

    Each is compared with every other: one that lacks a fact, as a run without a teacher does,
    agrees with any. Runs without an identity, such as those that have not begun, agree as well.

    Args:
      runs: `{folder: result or None}`.
      parts: of the digests that are compared, such as `("classes", "test")`; None for all.

    Raises:
      OtherDataError: when two runs differ.
      ValueError: as `identities`.
    """
    known: list[tuple[pathlib.Path, Mapping[str, Any]]] = []
    for path, result in runs.items():
        for facts in identities(path, result):
            data = facts["data"]
            now = {name: data[name] for name in data if parts is None or name in parts}
            for other, before in known:
                if changes := identity.data_changes(before, now):
                    raise OtherDataError(
                        f"{path} was trained on other data than {other}: {changes}"
                    )
            known.append((path, now))
