"""What in a run's folder tells whose run it is."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kdcl_tf.files import run_flags
from kdcl_tf.files.identity import FORMAT, DamageError
from kdcl_tf.training import manifests

__all__ = ["identities", "recorded"]

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

# What `--compare` makes in its folder.
_OF_COMPARISONS = ("comparison.json", "cohort", "alone")


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
        # Raises, and says what is wrong; or finds what a run that goes on has put in their place.
        newest = manifests.newest(path / "checkpoints", manifests.sealed_facts)
        read = [newest[1]["identity"]] if newest else []
    found += read
    return [each for each in found if each]


def recorded(
    path: pathlib.Path, result: Mapping[str, Any] | None
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """`(format, {flag: text})` of what tells whose run this is.

    The flagfile counts only where nothing that is sealed tells.

    Args:
      path: the folder.
      result: its `result.json`, or None.

    Raises:
      DamageError: for a folder that has lost what its run would go on from, or a link of which leads
        nowhere; and as `identities`.
      ValueError: for one of another kind, or that tells nothing of its run.
    """
    if result is None:
        _check_links(path)
    flagfile = path / "flags.txt"
    flags = run_flags.read(flagfile)
    known = identities(path, result)
    if result is None and not known:
        _check_flagfile(path, flagfile)
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
        _check_nobodys(path)


def _check_flagfile(path, flagfile):
    """Refuses a folder with nothing but a flagfile of another hand, which a run would write over."""
    if not flagfile.exists() or not flagfile.read_bytes().strip() or run_flags.has_format(flagfile):
        return
    if not any((path / name).exists() for name in (*_TRACES, "error.txt", *_OF_COMPARISONS)):
        raise ValueError(
            f"workdir {path} holds a flags.txt that no run wrote, and would be replaced: rename the "
            "file, or pass another --workdir"
        )


def _check_nobodys(path):
    """Refuses a folder with what a run or a comparison leaves, and nothing that tells which."""
    if any((path / name).exists() for name in _OF_COMPARISONS):
        raise ValueError(
            f"workdir {path} holds the runs of a comparison: pass --compare to go on with it, or "
            "another --workdir"
        )
    traces = [name for name in _TRACES if (path / name).exists()]
    if traces:
        raise ValueError(
            f"workdir {path} holds {traces[0]} of an unknown run: its flags.txt is missing, or "
            "has no flags, and it has no checkpoint: pass another --workdir, or empty this one"
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
