"""Whose run a folder holds: the settings and data that it must be continued with."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kdcl_tf.files import identity, moments, run_flags
from kdcl_tf.files.identity import FORMAT, DamageError, Identity
from kdcl_tf.students.names import is_name
from kdcl_tf.training import manifests
from kdcl_tf.training.settings import MACHINE_SETTINGS, PATH_SETTINGS, TrainingSettings
from kdcl_tf.training.settings.paths import are_alike, is_gone, is_moved

__all__ = [
    "OtherDataError",
    "check_data",
    "check_one_run",
    "check_same_data",
    "check_settings",
    "identities",
    "is_other_epoch",
    "moved_runs",
    "other_run",
    "other_settings",
]

# What a run leaves in its folder, besides what has its identity.
_TRACES = (
    "checkpoints",
    "log.jsonl",
    "students",
    "detector",
    "tensorboard",
    "held_out.txt",
    "test_images.txt",
    "validation_images.txt",
    "bad_images.txt",
)

# One text may stand for both, depending on the version and on the current folder.
_IS_FRESH = "backbone is a student's name, for random weights; the run had trained ones"
_WAS_FRESH = "backbone is of trained weights; the run tells of none, as with a student's name"
# What has changed, as `identity.data_changes` begins to tell it, and what that is called.
_RESTORED = (
    ("initial_weights", "weights"),
    ("teacher_card", "card beside the teacher as it was"),
    ("teacher", "teacher as it was, which an export over it replaces"),
    ("backbone_card", "card beside the backbone as it was"),
    (_IS_FRESH, "path of the trained one, such as --backbone=./resnet18"),
    (_WAS_FRESH, "name of a student alone"),
    ("backbone", "backbone as it was, which an export over it replaces"),
)
# What `--compare` makes in its folder.
_OF_COMPARISONS = ("comparison.json", "cohort", "alone")


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
    for found, before in _recorded(path, result):
        if found != FORMAT:
            raise ValueError(
                f"workdir {path} holds a run of format {found}; expected format {FORMAT}, that "
                "of this version of kdcl_tf: pass another --workdir, or continue it with the "
                "version that began it (its log and exported models stay readable)"
            )
        moved |= _compare(path, dict(before), settings, free)
    return moved


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


def identities(path: pathlib.Path, result: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The facts of every identity in a run's folder: its result's, and each checkpoint's.

    Damaged checkpoints, which are passed over when one is restored, are left out.

    Raises:
      DamageError: when there are checkpoints, all are damaged, and the result does not tell.
      ValueError: when another format of kdcl_tf wrote one.
    """
    found = [result["identity"]] if result and "identity" in result else []
    folders = manifests.saved(path / "checkpoints")
    read = []
    for folder in folders:
        with contextlib.suppress(DamageError):
            read.append(manifests.sealed_facts(folder)["identity"])
    if folders and not read and not found:
        # Raises, and says what is wrong.
        manifests.newest(path / "checkpoints", manifests.sealed_facts)
    found += read
    return [each for each in found if each]


def check_one_run(path: pathlib.Path, result: Mapping[str, Any] | None) -> None:
    """Refuses a folder whose result and checkpoints are not of one run.

    Raises:
      ValueError: naming what differs.
    """
    first, *others = identities(path, result) or [None]
    for other in others:
        settings = other_settings(first["settings"], other["settings"])
        changes = _changes(first, other)
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


def other_settings(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """The flags in which two runs differ, but for those of the machine and of where data lies.

    A flag that only one of them has is one of a later version, and had its default in the other's,
    of a path none; of two programs, most of whose flags are not the same, all count.
    """
    names, both = {**first, **second}, first.keys() & second.keys()
    is_one_program = 2 * len(both) >= len(names)
    return [
        name
        for name in names
        if (name in both or name in PATH_SETTINGS or not is_one_program)
        and name not in MACHINE_SETTINGS
        and not are_alike(name, first.get(name, ""), second.get(name, ""))
        and not is_moved(name, first.get(name), second.get(name))
    ]


def other_run(ran: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what the identity of one run differs from another's, in words; "" where they are of one."""
    settings = other_settings(ran["settings"], other["settings"])
    if settings:
        return f"with another {', '.join(f'--{name}' for name in settings)}"
    return _changes(ran, other)


def _changes(before, now):
    """What of the data of one run's two identities differs, in words; "" where nothing does."""
    if changes := identity.data_changes(before["data"], now["data"]):
        return changes
    has, had = (_has_fresh_backbone(each) for each in (now, before))
    if has and "backbone" in before["data"]:
        return _IS_FRESH
    return _WAS_FRESH if had and "backbone" in now["data"] else ""


def _has_fresh_backbone(facts):
    """Whether a detector began with random weights; early versions never told trained ones."""
    return "backbone" not in facts["data"] and is_name(facts["settings"].get("backbone", ""))


def moved_runs(folder: pathlib.Path, settings: TrainingSettings) -> list[pathlib.Path]:
    """The runs of the same settings in a folder whose data was where there is nothing now.

    Args:
      folder: of workdirs.
      settings: of a run that begins.
    """
    flags = settings.as_flags()
    return [
        path.parent
        for path in sorted(folder.glob("*/flags.txt"))
        if _has_moved(_flags_in(path), flags)
    ]


def _flags_in(path):
    """Of a folder beside the run's, which may be anybody's; what cannot be read there is none."""
    with contextlib.suppress(OSError):
        return run_flags.read(path)
    return {}


def _has_moved(before, now):
    names = [name for name in now if is_moved(name, before.get(name), now[name])]
    # The name of a student is never gone.
    names = [name for name in names if name != "backbone" or not is_name(before[name])]
    return any(is_gone(name, before) for name in names) and not other_settings(before, now)


def is_other_epoch(card: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether an export is of another epoch than its complete run's, as far as both tell.

    Args:
      card: of the exported model.
      result: of the run.
    """
    exported, moment = result.get("exported_epoch"), moments.of(card)
    return None not in (exported, moment) and moment != (exported, 0)


def _compare_data(path, before, now):
    changes = _changes(before, now)
    if changes:
        what = next((name for key, name in _RESTORED if changes.startswith(key)), "images")
        raise ValueError(
            f"the data is not what the run in {path} was begun with: {changes}; restore the "
            f"{what}, or pass another --workdir"
        )


def _recorded(path, result) -> Iterator[tuple[int, Mapping[str, str]]]:
    """`(format, {flag: text})` of what tells whose run this is.

    The flagfile counts only where nothing that is sealed tells.
    """
    if result is None:
        _check_links(path)
    flagfile = path / "flags.txt"
    flags = run_flags.read(flagfile)
    known = identities(path, result)
    if flags and not known and run_flags.read_format(flagfile) != FORMAT:
        yield run_flags.read_format(flagfile), flags
    if result is not None and "identity" not in result:
        if known or flags:
            raise DamageError(
                f"{path / 'result.json'} has no identity, and is not this run's: delete it, and the "
                "same command writes it again from the newest checkpoint"
            )
        yield result.get("format", 1), {}
    for each in known:
        yield each["format"], each["settings"]
    if flags and not known:
        exports = [name for name in ("students", "detector") if (path / name).exists()]
        if exports and result is None:
            raise DamageError(
                f"workdir {path} holds {exports[0]}/ of a run whose result.json and checkpoints are "
                "gone: restore either from a backup, or pass another --workdir"
            )
        if result is None:
            _check_begins(path)
        yield FORMAT, flags
    elif not known and result is None:
        if any((path / name).exists() for name in _OF_COMPARISONS):
            raise ValueError(
                f"workdir {path} holds the runs of a comparison: pass --compare to go on with it, or "
                "another --workdir"
            )
        traces = [name for name in _TRACES if (path / name).exists()]
        if traces:
            raise ValueError(
                f"workdir {path} holds {traces[0]} of an unknown run: its flags.txt is missing or "
                "empty, and it has no checkpoint: pass another --workdir, or empty this one"
            )


def _check_begins(path):
    """Refuses a run without a checkpoint that has trained for longer than it takes to save one."""
    log = path / "log.jsonl"
    epochs = len(log.read_bytes().splitlines()) if log.exists() else 0
    # Each is saved before the next begins.
    if epochs > 1:
        raise DamageError(
            f"workdir {path} has logged {epochs} epochs of a run whose checkpoints are gone: "
            "restore checkpoints/ from a backup, or move the workdir away to train from the start"
        )


def _check_links(path):
    """Refuses a run that would find out at its first checkpoint, or its end, where a link leads."""
    for name in ("checkpoints", "students", "detector", "tensorboard"):
        link = path / name
        if link.is_symlink() and not link.exists():
            raise DamageError(
                f"workdir {path}: expected {name} to be a folder or a link to one; got a link to "
                f"{os.readlink(link)}, which is not there: mount its disk, or make the folder"
            )


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
