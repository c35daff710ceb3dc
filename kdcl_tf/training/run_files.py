"""The files of a run, read from its folder and held against each other; none is changed."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from kdcl_tf.files import identity, moments, run_names
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training import manifests, ownership

__all__ = ["check_export", "log_of_checkpoint", "missing_exports", "read_log", "read_result"]


def missing_exports(folder: pathlib.Path, result: Mapping[str, Any]) -> list[str]:
    """What a complete run has exported and does not have any more, whole and as its own.

    Args:
      folder: of the run.
      result: of the run.

    Returns:
      The paths in the folder.
    """
    exports = result.get("exports", [])
    return [each for each in exports if not _is_export_of(folder / each, result)]


def _is_export_of(folder, result):
    """Whether a folder has the whole model that a run exported there."""
    for card in (folder / name for name in run_names.CARDS):
        if not card.exists():
            continue
        try:
            facts = json.loads(card.read_bytes())
        except (ValueError, RecursionError):
            return False
        if not identity.is_sealed(facts) or identity.damage(folder, facts["checksums"]):
            return False
        theirs = facts.get("identity")
        # What only one of the two knows of the data does not tell them apart.
        if not theirs or ownership.other_run(result["identity"], theirs):
            return False
        is_in_place = facts.get("student", folder.name) == folder.name
        return is_in_place and not ownership.is_other_epoch(facts, result)
    return False


def check_export(run: str | os.PathLike, model: str | os.PathLike, card: Mapping[str, Any]) -> None:
    """Refuses an exported model in a run's folder that is another's: of a name, a run or an epoch.

    A complete run is known by its result, another by its checkpoints; where nothing tells, none is
    refused.

    Args:
      run: the folder of the run.
      model: the folder of the model in it.
      card: the facts of the model's card.

    Raises:
      ValueError: naming the model, and what differs.
    """
    model, result = pathlib.Path(model), read_result(run) or {}
    name = card.get("student", model.name)
    is_run = bool(result) or bool(manifests.saved(pathlib.Path(run) / "checkpoints"))
    # A folder of exports may call each as it likes, but not by another's name.
    if name != model.name and (is_run or model.with_name(name).exists()):
        raise ValueError(f"{model} holds student {name}: put each in the folder of its name")
    known, exported = result.get("identity"), card.get("identity")
    if not result and exported:
        known = _identity_of_checkpoints(pathlib.Path(run))
    if not known or not exported:
        return
    told = ownership.other_run(known, exported)
    if told:
        beside = "result.json" if result else "the checkpoints"
        raise ValueError(
            f"{model} is of another run than {beside} beside it, {told}: export it again"
        )
    if ownership.is_other_epoch(card, result):
        raise ValueError(
            f"expected {model} to be of epoch {result['exported_epoch']}, as result.json beside it; "
            f"got epoch {moments.told(card)}: export it again"
        )


def _identity_of_checkpoints(run):
    """The identity of a run that goes on; None where nothing tells."""
    with contextlib.suppress(ValueError):  # All are damaged, or of another format.
        return next(iter(ownership.identities(run, None)), None)
    return None


def read_result(folder: str | os.PathLike) -> dict[str, Any] | None:
    """The result of a run, of a folder that need not be writable; None where there is none.

    Raises:
      DamageError: when it is not what was written.
    """
    path = pathlib.Path(folder) / "result.json"
    if not path.exists():
        return None
    result = _parsed(path.read_bytes(), str(path), path.parent)
    # Results of older formats have no checksum, and stay readable.
    if "identity" in result and not identity.is_sealed(result):
        raise DamageError(_damaged(str(path), "it is not what was written", path.parent))
    result.pop("checksum", None)
    return result


def read_log(
    folder: str | os.PathLike, result: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The epochs that a run has logged, of a folder that need not be writable.

    Args:
      folder: of the run.
      result: of a run that is complete, read before: the log must be that of its checkpoint, and
        must have all its epochs and the numbers of the one that was exported.

    Raises:
      DamageError: when a line is damaged, naming it; when the log is not the result's.
    """
    path = pathlib.Path(folder) / "log.jsonl"
    if not path.exists():
        return []
    # A line that a crash cut short has no newline yet.
    lines = path.read_bytes().split(b"\n")[:-1]
    log = [
        _parsed(line, f"line {number} of {path}", path.parent)
        for number, line in enumerate(lines, 1)
    ]
    if result:
        wrong = _not_of_result(log, result)
        if not wrong and not _are_alike(log, log_of_checkpoint(path.parent, result) or log):
            wrong = "it is not what the newest checkpoint has"
        if wrong:
            raise DamageError(_damaged(str(path), wrong, path.parent))
    return log


def log_of_checkpoint(
    folder: pathlib.Path, result: Mapping[str, Any]
) -> list[dict[str, Any]] | None:
    """The log in the newest checkpoint of a complete run; None where there is none of the whole run.

    Args:
      folder, result: of the run.
    """
    with contextlib.suppress(ValueError):  # All are damaged, or of another format.
        newest = manifests.newest(folder / "checkpoints", manifests.sealed_facts)
        log = newest[1]["progress"].get("log") if newest else None
        if log and not _not_of_result(log, result):
            return log
    return None


def _not_of_result(log, result):
    """Why a log is not that of a complete run, in words; "" where it is, as far as both tell."""
    epochs = [each.get("epoch") for each in log]
    count = result.get("epochs", len(epochs))
    if epochs != list(range(1, count + 1)):
        return f"expected the epochs 1 to {count}, each once; got {len(epochs)}"
    exported = result.get("exported_epoch", count)
    told = {name: value for name, value in result.items() if name.startswith("test_")}
    for student, facts in result.get("students", {}).items():
        told.update({f"test_{student}_{name}": value for name, value in facts.items()})
    record = log[exported - 1] if log else {}
    shared = told.keys() & record.keys()
    if (told and not shared) or any(not _are_alike(told[name], record[name]) for name in shared):
        return f"its epoch {exported} has other numbers than result.json"
    return ""


def _are_alike(first, second):
    """Whether two values are the same; NaN is, unlike by `==`."""
    return first == second or json.dumps(first) == json.dumps(second)


def _parsed(content, where, workdir):
    try:
        facts = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise DamageError(_damaged(where, type(error).__name__, workdir)) from error
    if not isinstance(facts, dict):
        told = f"expected a JSON object; got {type(facts).__name__}"
        raise DamageError(_damaged(where, told, workdir))
    return facts


def _damaged(where, reason, workdir):
    """Only a checkpoint makes good for what is deleted."""
    if not manifests.saved(workdir / "checkpoints"):
        return (
            f"{where} is damaged ({reason}), and there is no checkpoint to write it again from: "
            "restore it from a backup"
        )
    return (
        f"{where} is damaged ({reason}): delete the file, and the command that trained the run "
        "writes it again from the newest checkpoint"
    )
