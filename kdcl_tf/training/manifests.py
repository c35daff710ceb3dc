"""The manifests of checkpoints, read without TensorFlow: which checkpoints there are and are whole.

Every checkpoint is a folder `step-<n>` with a `manifest.json`, sealed by a checksum, that has the
run's identity, how far it was, and the checksums of the checkpoint's other files.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT, DamageError

__all__ = ["NAME", "folder_of", "newest", "read", "saved", "sealed_facts", "write"]

NAME = "manifest.json"
# How often checkpoints that a run replaces while they are read are looked at.
_LOOKS = 10
# A copy that is called `step-<n>.bak` or `step-before-…` is its owner's.
_FOLDER = re.compile("step-([0-9]{9,})")


def folder_of(checkpoints: pathlib.Path, step: int) -> pathlib.Path:
    """The folder of the checkpoint after `step` steps."""
    return checkpoints / f"step-{step:09d}"


def saved(checkpoints: pathlib.Path) -> list[pathlib.Path]:
    """The folders of all checkpoints of a run, whole or not, oldest first.

    What only begins like one is none: it is neither restored nor removed.
    """
    files.recover(checkpoints)
    found = [(_FOLDER.fullmatch(path.name), path) for path in checkpoints.glob("step-*")]
    steps = [(int(match[1]), path) for match, path in found if match and path.is_dir()]
    return [path for _, path in sorted(steps)]


def write(folder: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Writes the manifest of a checkpoint, beside its other files, which must be complete.

    Args:
      folder: of the checkpoint.
      facts: JSON-able; the format and checksums of all that is in the folder are added.
    """
    whole = {"format": FORMAT, **facts, "files": identity.checksums(folder, NAME)}
    (folder / NAME).write_text(json.dumps(identity.sealed(whole)), encoding="utf-8")


def read(folder: pathlib.Path) -> dict[str, Any]:
    """The facts of a checkpoint whose files are all as they were written.

    Raises:
      DamageError: when they are not, naming what is wrong.
      ValueError: when another format of kdcl_tf wrote it.
    """
    facts = sealed_facts(folder)
    wrong = identity.damage(folder, facts["files"])
    if wrong:
        raise DamageError(f"checkpoint {folder} is damaged: {wrong}")
    return facts


def newest(
    checkpoints: pathlib.Path,
    reader: Callable[[pathlib.Path], dict[str, Any]] = read,
    say: Callable[[str], Any] = lambda line: None,
) -> tuple[pathlib.Path, dict[str, Any]] | None:
    """The newest checkpoint that is not damaged, and its facts; None where there is none at all.

    A run that goes on replaces and removes checkpoints while they are read, which looks like
    damage: then all are looked at again.

    Args:
      checkpoints: the folder of a run's checkpoints.
      reader: `read`, or `sealed_facts`, which leaves the values of variables unchecked.
      say: called with a line for each newer one that is damaged.

    Raises:
      DamageError: when there are checkpoints and all are damaged, or when a run replaces them
        faster than they can be read.
      ValueError: when another format of kdcl_tf wrote it.
    """
    for _ in range(_LOOKS):
        folders = saved(checkpoints)
        before = _stamps(folders)
        found, wrong = _first_whole(folders, reader)
        if not wrong or _stamps(saved(checkpoints)) == before:
            break
    else:
        raise DamageError(
            f"the checkpoints in {checkpoints} were replaced while they were read, by a run that "
            "goes on: try again, or when the run has ended"
        )
    for each in wrong:
        say(f"{each}; it is passed over")
    if wrong and not found:
        raise DamageError(
            f"no checkpoint in {checkpoints} can be used ({wrong[-1]}): restore one from a backup, "
            "or pass another --workdir to train from the start"
        )
    return found


def _first_whole(folders, reader):
    """`(folder, facts)` of the last of some folders that is whole, or None, and why later ones are not."""
    wrong = []
    for folder in reversed(folders):
        try:
            return (folder, reader(folder)), wrong
        except DamageError as error:
            wrong.append(str(error))
    return None, wrong


def _stamps(folders):
    """What tells whether folders are the same, even if another took the number of one on the disk."""
    return [(folder, _stamp(folder)) for folder in folders]


def _stamp(folder):
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns


def sealed_facts(folder: pathlib.Path) -> dict[str, Any]:
    """The facts of a checkpoint, whose other files are not looked at.

    Raises:
      DamageError, ValueError: as `read`.
    """
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamageError(
            f"checkpoint {folder} is damaged: {NAME} cannot be read ({type(error).__name__})"
        ) from error
    is_old = isinstance(facts, dict) and "variables" in facts and "checksum" not in facts
    if not identity.is_sealed(facts) and not is_old:
        raise DamageError(f"checkpoint {folder} is damaged: {NAME} is not what was written")
    found = facts.get("format", 1)
    if found != FORMAT:
        raise ValueError(
            f"checkpoint {folder} has format {found}; expected format {FORMAT}, that of this "
            "version of kdcl_tf: use the version that saved it"
        )
    if is_old:
        raise DamageError(f"checkpoint {folder} is damaged: {NAME} has no checksum")
    return facts
