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
import errno
import json
import os
import pathlib
import time
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity, run_flags
from kdcl_tf.files.identity import DamageError, Identity
from kdcl_tf.training import manifests, ownership
from kdcl_tf.training.run_files import (
    log_of_checkpoint,
    missing_exports,
    read_log,
    read_result,
)
from kdcl_tf.training.settings import TrainingSettings, of_machine

try:
    import fcntl
except ImportError:  # Windows has none, and gets no lock.
    fcntl = None


# Folders of images in a data set, whose names may have capital letters.
_SPLITS = ("train", "test", "validation", "val", "valid", "images", "train2017", "val2017")


class WorkdirLost(Exception):
    """The folder of a run was removed or replaced while the run trained."""


class Workdir:
    """Opens or makes the folder of a run.

    Args:
      path: the folder.

    Raises:
      OSError: when it cannot be made or written to, unless it holds a complete run, which only has
        to be read.
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
            if self._is_complete():
                return
            raise OSError(
                f"--workdir={path} cannot be written to ({error.strerror}): pass a folder that can"
            ) from error

    def _is_complete(self):
        with contextlib.suppress(DamageError, OSError):
            return self.complete_result is not None
        return False

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
          OSError: when the disk does not tell.
        """
        if self._claimed is None:
            return
        if not self._is_claimed():
            raise WorkdirLost(
                f"workdir {self.path} was removed or replaced while the run trained: nothing "
                "more is written there; the same command begins again"
            )

    def _is_claimed(self):
        """Whether the path leads to the claimed folder; a disk that fails for a moment raises."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._claimed))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
                return False
            raise

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
        try:
            newest = manifests.newest(self.path / "checkpoints", manifests.sealed_facts)
        except DamageError as error:
            if self.complete_result:
                raise DamageError(
                    f"the run in {self.path} is complete, and its checkpoints are damaged: move "
                    "checkpoints/ away, and the same command goes on without it"
                ) from error
            raise
        return newest[1] if newest else None

    def check_data(self, now: Identity) -> str:
        """Refuses to continue a run on other data, see `ownership.check_data`."""
        return ownership.check_data(self.path, self.result, now)

    def record(self, settings: TrainingSettings, trained: Mapping[str, str] | None = None) -> None:
        """Writes `flags.txt`; from here on the folder belongs to this run.

        Args:
          settings: of the run.
          trained: `{flag: text}` of the run, if it is trained already: those of the machine count.
        """
        text = run_flags.text_of({**settings.as_flags(), **of_machine(trained or {})})
        files.write_text(self.path / "flags.txt", text)

    def restore_records(self, settings: TrainingSettings) -> None:
        """Writes again what a complete run has lost of `flags.txt` and `log.jsonl`.

        A log that is another run's, or not all that was written, is lost, too.  One that no
        checkpoint has stays as it is, which is told where it is damaged.

        Args:
          settings: of the run.
        """
        result = self.result
        if not run_flags.read(self.path / "flags.txt"):
            self.record(settings, (result or {}).get("identity", {}).get("settings"))
        try:
            if read_log(self.path, result):
                return
            told = f"{self.path / 'log.jsonl'} is gone"
        except DamageError as error:
            told = str(error)
        records = log_of_checkpoint(self.path, result)
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


def check_apart(path: pathlib.Path, settings: TrainingSettings) -> None:
    """Refuses a workdir among the images, of which what a run writes would become one.

    Raises:
      ValueError: when it is inside a split of the data set, or would be one of its classes, also
        where a link leads to it.
    """
    place = settings.places().get("dataset", "").partition(":")[2]
    if not place or not os.path.isdir(place):
        return
    real = os.path.realpath(path)
    inside = os.path.relpath(real, place).split(os.sep)
    # Where the folders in it are classes, any folder of a run would be one.
    is_split = any(name.lower() == "train" for name in os.listdir(place))
    has_classes = bool(getattr(settings, "test_share", 0)) and not is_split
    if has_classes and inside[0] != os.pardir:
        raise ValueError(
            f"expected --workdir to be outside the data set's folder {place}, where it would be a"
            f" class; got {path}: pass another"
        )
    if inside[0].lower() in _SPLITS:
        raise ValueError(
            f"expected --workdir to be outside the data set's {inside[0]}/; got {path}: pass another"
        )
    for link in _links_to_images(place, has_classes):
        target = os.path.realpath(link)
        if os.path.commonpath([real, target]) == target:
            raise ValueError(
                f"expected --workdir to be outside {target}, which is the data set's "
                f"{os.path.relpath(link, place)}/; got {path}: pass another"
            )


def _links_to_images(place, has_classes):
    """The splits and classes of a data set that are links to folders."""
    for entry in _folders(place):
        is_split = entry.name.lower() in _SPLITS
        if (is_split or has_classes) and entry.is_symlink():
            yield entry.path
        if is_split:
            yield from (each.path for each in _folders(entry.path) if each.is_symlink())


def _folders(place):
    with os.scandir(place) as entries:
        return [entry for entry in entries if entry.is_dir()]
