"""Whose run a folder holds: the settings and data that it must be continued with."""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kdcl_tf import identity
from kdcl_tf.identity import FORMAT, Identity
from kdcl_tf.training import manifests
from kdcl_tf.training.settings import MACHINE_SETTINGS, TrainingSettings, is_moved

__all__ = ["FORMAT_LINE", "check_data", "check_settings", "read_flags", "read_format"]

# The first line of `flags.txt`, a comment for absl, which reads the file as a flagfile.
FORMAT_LINE = "# format "
# What a run leaves in its folder, besides what has its identity.
_TRACES = ("checkpoints", "log.jsonl", "students", "detector", "tensorboard")


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
    before = _identity(path, result)
    if not before:
        return ""
    changes = identity.data_changes(before["data"], now.data)
    if changes:
        raise ValueError(
            f"the data is not what the run in {path} was begun with: {changes}; restore the "
            "images, or pass another --workdir"
        )
    return identity.version_changes(before["versions"], now.versions)


def _identity(path, result):
    """The facts of the identity in the result or the newest checkpoint; None without both."""
    if result and "identity" in result:
        return result["identity"]
    newest = manifests.newest(path / "checkpoints", manifests.sealed_facts)
    return newest[1]["identity"] or None if newest else None


def _recorded(path, result) -> Iterator[tuple[int, Mapping[str, str]]]:
    """`(format, {flag: text})` of what tells whose run this is.

    The flagfile counts only where nothing that is sealed tells.
    """
    flagfile = path / "flags.txt"
    flags = read_flags(flagfile)
    if flags and read_format(flagfile) != FORMAT:
        yield read_format(flagfile), flags
    known = _identity(path, result)
    if known:
        yield known["format"], known["settings"]
    elif flags:
        yield FORMAT, flags
    elif result is None:
        traces = [name for name in _TRACES if (path / name).exists()]
        if traces:
            raise ValueError(
                f"workdir {path} holds {traces[0]} of an unknown run: its flags.txt is missing or "
                "empty, and it has no checkpoint: pass another --workdir, or empty this one"
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
        if name not in (*MACHINE_SETTINGS, *free) and before.get(name) != flags.get(name)
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


def read_flags(path: str | pathlib.Path) -> dict[str, str]:
    """`{name: text}` of a `flags.txt`, empty where there is none."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    flags = [line[2:].partition("=") for line in lines if line.startswith("--")]
    return {name: value for name, _, value in flags}


def read_format(path: str | pathlib.Path) -> int:
    """The format of the run that wrote a `flags.txt`; 1 where the file does not say."""
    first = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    number = first.removeprefix(FORMAT_LINE)
    return int(number) if first != number and number.isdigit() else 1
