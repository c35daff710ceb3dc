"""The folder of one run: its flags, log and results, written so that nothing is half there.

flags.txt           the run's settings, a flagfile
log.jsonl           one JSON object an epoch, which every checkpoint has, too
checkpoints/        what a restart continues from
tensorboard/        the same numbers for TensorBoard
held_out.txt        of images in files: those held out, file and class
test_images.txt     those that --test_share chose
validation_images.txt  those that --validation_share chose
bad_images.txt      those that could not be decoded, if any
result.json         the last epoch's numbers, when the run is complete
accuracy.png        accuracy of each student by epoch
students/<name>/    a SavedModel each

Checkpoints and `result.json` carry the run's identity, see `kdcl_tf.files.identity`: with it a
folder whose `flags.txt` is lost still belongs to its run.

Of a detector the last two are curves.png and detector/, a SavedModel, and detections.json
has what it found in the last evaluation, as COCO lists it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT, DamageError, Identity
from kdcl_tf.training import manifests, ownership
from kdcl_tf.training.settings import TrainingSettings

try:
    import fcntl
except ImportError:  # Windows has none, and gets no lock.
    fcntl = None

# The cards of exported models.
_CARDS = ("student.json", "detector.json")


class WorkdirLost(Exception):
    """The folder of a run was removed or replaced while the run trained."""


class Workdir:
    """Opens or makes the folder of a run.

    Args:
      path: the folder.

    Raises:
      OSError: when it cannot be made or written to.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path).expanduser()
        # Those that are made here, the deepest first.
        self._new = [each for each in (self.path, *self.path.parents) if not each.exists()]
        self._claimed = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            files.check_writable(self.path)
        except OSError as error:
            raise OSError(
                f"--workdir={path} cannot be written to ({error.strerror}): pass a folder that can"
            ) from error

    def claim(self, patience: float = 30.0) -> None:
        """Keeps other processes out of the folder while this object, or its process, lives.

        Cleans it of what a killed process has left.

        Args:
          patience: seconds to wait for another, which may just be saving its last checkpoint.

        Raises:
          ValueError: when it is still there after that.
        """
        if fcntl is None:
            return
        # The folder itself, so that a run that is refused leaves nothing in it.
        folder = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, folder)
        self._claimed = folder
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                files.clean(self.path)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ValueError(
                        f"another process trains in workdir {self.path}: wait for it, stop it, or "
                        "pass another --workdir"
                    ) from None
                time.sleep(0.2)

    def discard_if_empty(self) -> None:
        """Takes away a folder that was made here, and those around it, if nothing is in them."""
        with contextlib.suppress(OSError):
            for folder in self._new:
                folder.rmdir()

    def check_present(self) -> None:
        """Makes sure that the path still leads to the folder that was claimed.

        Another process may have claimed a folder that took its place.

        Raises:
          WorkdirLost: when it does not.
        """
        if self._claimed is None:
            return
        try:
            is_same = os.path.samestat(os.stat(self.path), os.fstat(self._claimed))
        except OSError:
            is_same = False
        if not is_same:
            raise WorkdirLost(
                f"workdir {self.path} was removed or replaced while the run trained: nothing "
                "more is written there; the same command begins again"
            )

    def check(self, settings: TrainingSettings, free: Collection[str] = ()) -> bool:
        """Refuses a folder that holds another run, see `ownership.check_settings`.

        Returns:
          Whether the data lies elsewhere now, so that only `check_data` can tell.
        """
        return ownership.check_settings(self.path, self.result, settings, free)

    def begun(self) -> dict[str, Any] | None:
        """The facts of the newest checkpoint that is whole; None for a run that begins.

        Raises:
          ValueError: when all checkpoints are damaged, or of another format.
        """
        newest = manifests.newest(self.path / "checkpoints", manifests.sealed_facts)
        return newest[1] if newest else None

    def check_data(self, now: Identity) -> str:
        """Refuses to continue a run on other data, see `ownership.check_data`."""
        return ownership.check_data(self.path, self.result, now)

    def record(self, settings: TrainingSettings) -> None:
        """Writes `flags.txt`; from here on the folder belongs to this run."""
        lines = [f"--{name}={value}\n" for name, value in settings.as_flags().items()]
        text = "".join([f"{ownership.FORMAT_LINE}{FORMAT}\n", *lines])
        files.write_text(self.path / "flags.txt", text)

    def restore_records(self, settings: TrainingSettings) -> None:
        """Writes again what a complete run has lost of `flags.txt` and `log.jsonl`.

        A log that is another run's, or not all that was written, is lost, too.  One that no
        checkpoint has stays as it is, which is told where it is damaged.

        Args:
          settings: of the run.
        """
        if not ownership.read_flags(self.path / "flags.txt"):
            self.record(settings)
        result = self.result
        try:
            if read_log(self.path, result):
                return
            told = f"{self.path / 'log.jsonl'} is gone"
        except DamageError as error:
            told = str(error)
        records = _log_of_checkpoint(self.path, result)
        if records:
            print(f"{told}: it is written again from the checkpoint", flush=True)
            self.write_log(records)
        elif (self.path / "log.jsonl").exists():
            print(told, flush=True)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The epochs logged so far, a list of dicts.

        Raises:
          DamageError: when a line is damaged, naming it.
        """
        return read_log(self.path)

    def log_epoch(self, record: Mapping[str, Any]) -> None:
        """Appends one epoch; drops what was logged of it and later ones before a restart."""
        self.write_log([each for each in self.log if each["epoch"] < record["epoch"]] + [record])

    def write_log(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Writes the whole log."""
        self.check_present()
        lines = [json.dumps(each) + "\n" for each in records]
        files.write_text(self.path / "log.jsonl", "".join(lines))

    @property
    def result(self) -> dict[str, Any] | None:
        """The finished run's `result.json` as a dict, or None.

        Raises:
          DamageError: when it is not what was written.
        """
        return read_result(self.path)

    @property
    def complete_result(self) -> dict[str, Any] | None:
        """`result`, where what the run exported is still there and whole.

        Raises:
          DamageError: when an export is missing that no checkpoint can replace.
        """
        result = self.result
        missing = missing_exports(self.path, result or {})
        if not missing:
            return result
        if not manifests.saved(self.path / "checkpoints"):
            raise DamageError(
                f"{self.path / missing[0]} of a complete run is missing, damaged or another run's, "
                "and there is no checkpoint to export it from: restore it, or pass another "
                "--workdir to train again"
            )
        return None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Marks the run as complete."""
        self.check_present()
        text = json.dumps(identity.sealed(result), indent=2)
        files.write_text(self.path / "result.json", text + "\n")


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
    for card in (folder / name for name in _CARDS):
        if not card.exists():
            continue
        try:
            facts = json.loads(card.read_bytes())
        except (ValueError, RecursionError):
            return False
        if not identity.is_sealed(facts) or identity.damage(folder, facts["checksums"]):
            return False
        theirs = facts.get("identity", {"data": None, "settings": {}})
        if ownership.other_settings(theirs["settings"], result["identity"]["settings"]):
            return False
        if ownership.is_other_epoch(facts, result):
            return False
        is_in_place = facts.get("student", folder.name) == folder.name
        return is_in_place and theirs["data"] == result["identity"]["data"]
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
    model = pathlib.Path(model)
    if card.get("student", model.name) != model.name:
        raise ValueError(
            f"{model} holds student {card['student']}: put each in the folder of its name"
        )
    result = read_result(run) or {}
    known, exported = result.get("identity"), card.get("identity")
    if not result and exported:
        known = _identity_of_checkpoints(pathlib.Path(run), exported["settings"])
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
            f"got epoch {card['epoch']}: export it again"
        )


def _identity_of_checkpoints(run, names):
    """The identity of a run that goes on, with the flags of some names; None where nothing tells.

    A later version that goes on with it has flags that an export of before lacks.
    """
    with contextlib.suppress(ValueError):  # All are damaged, or of another format.
        for known in ownership.identities(run, None):
            own = {name: text for name, text in known["settings"].items() if name in names}
            return {**known, "settings": own}
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
        if not wrong and log != (_log_of_checkpoint(path.parent, result) or log):
            wrong = "it is not what the newest checkpoint has"
        if wrong:
            raise DamageError(_damaged(str(path), wrong, path.parent))
    return log


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
    if (told and not shared) or any(told[name] != record[name] for name in shared):
        return f"its epoch {exported} has other numbers than result.json"
    return ""


def _log_of_checkpoint(folder, result):
    """The log in the newest checkpoint of a complete run; None where there is none of the whole run."""
    with contextlib.suppress(ValueError):  # All are damaged, or of another format.
        newest = manifests.newest(folder / "checkpoints", manifests.sealed_facts)
        log = newest[1]["progress"].get("log") if newest else None
        if log and not _not_of_result(log, result):
            return log
    return None


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
