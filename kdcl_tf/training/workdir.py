"""The folder of one run: its flags, log and results, written so that nothing is half there.

flags.txt           the run's flags, a flagfile that repeats it
log.jsonl           one JSON object an epoch
checkpoints/        what a restart continues from
tensorboard/        the same numbers for TensorBoard
held_out.txt        of images in files: those held out, file and class
bad_images.txt      those that could not be decoded, if any
result.json         the last epoch's numbers, when the run is complete
accuracy.png        accuracy of each student by epoch
students/<name>/    a SavedModel each

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
from collections.abc import Collection, Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.training.settings import MACHINE_SETTINGS, TrainingSettings
from kdcl_tf.training.versions import FORMAT

try:
    import fcntl
except ImportError:  # Windows has none, and gets no lock.
    fcntl = None

# A comment for absl, which reads the file as a flagfile.
_FORMAT_LINE = "# format "


class Workdir:
    """Opens or makes the folder of a run.

    Args:
      path: the folder.

    Raises:
      OSError: when it cannot be made or written to.
    """

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path).expanduser()
        self._is_new = not self.path.exists()
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
        """Takes away a folder that was made here, if nothing was written to it."""
        if self._is_new:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def check(self, settings: TrainingSettings, free: Collection[str] = ()) -> None:
        """Refuses a folder that holds another run.

        The settings of the machine may differ, since they do not decide the run's numbers.  A
        run from before a flag existed is taken to have had its default.

        Args:
          settings: of the run that the folder should hold.
          free: names of further settings that may differ.

        Raises:
          ValueError: for a run of another format or program, or of other flags, naming each
            with both values.
        """
        before, flags = read_flags(self.path / "flags.txt"), settings.as_flags()
        if not before:
            return
        found = read_format(self.path / "flags.txt")
        if found != FORMAT:
            raise ValueError(
                f"workdir {self.path} holds a run of format {found}; expected format {FORMAT}, "
                "that of this version of kdcl_tf: pass another --workdir, or continue it with the "
                "version that began it (its log and exported models stay readable)"
            )
        if 2 * len(before.keys() & flags.keys()) < len(before.keys() | flags.keys()):
            strange = next(name for name in before if name not in flags)
            raise ValueError(
                f"workdir {self.path} is a run of another program, which has --{strange}: pass "
                "another --workdir"
            )
        for name, text in settings.default_flags().items():
            before.setdefault(name, text)
        differ = [
            f"--{name}={before.get(name, '(absent)')} (now {flags.get(name, '(absent)')})"
            for name in {**before, **flags}
            if name not in (*MACHINE_SETTINGS, *free) and before.get(name) != flags.get(name)
        ]
        if differ:
            raise ValueError(
                f"workdir {self.path} was made with other flags: {', '.join(differ)}; "
                "pass those, or another --workdir"
            )

    def record(self, settings: TrainingSettings) -> None:
        """Writes `flags.txt`; from here on the folder belongs to this run."""
        lines = [f"--{name}={value}\n" for name, value in settings.as_flags().items()]
        text = "".join([f"{_FORMAT_LINE}{FORMAT}\n", *lines])
        files.write_text(self.path / "flags.txt", text)

    @property
    def log(self) -> list[dict[str, Any]]:
        """The epochs logged so far, a list of dicts."""
        path = self.path / "log.jsonl"
        if not path.exists():
            return []
        # A line that a crash cut short has no newline yet.
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def log_epoch(self, record: Mapping[str, Any]) -> None:
        """Appends one epoch; drops what was logged of it and later ones before a restart."""
        kept = [each for each in self.log if each["epoch"] < record["epoch"]]
        lines = [json.dumps(each) + "\n" for each in [*kept, record]]
        files.write_text(self.path / "log.jsonl", "".join(lines))

    @property
    def result(self) -> dict[str, Any] | None:
        """The finished run's `result.json` as a dict, or None."""
        path = self.path / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Marks the run as complete."""
        files.write_text(self.path / "result.json", json.dumps(result, indent=2) + "\n")


def read_flags(path: str | pathlib.Path) -> dict[str, str]:
    """`{name: text}` of a `flags.txt`, empty where there is none."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    flags = [line[2:].partition("=") for line in lines if line.startswith("--")]
    return {name: value for name, _, value in flags}


def read_format(path: str | pathlib.Path) -> int:
    """The format of the run that wrote a `flags.txt`; 1 where the file does not say."""
    first = pathlib.Path(path).read_text(encoding="utf-8").partition("\n")[0]
    number = first.removeprefix(_FORMAT_LINE)
    return int(number) if first != number and number.isdigit() else 1
