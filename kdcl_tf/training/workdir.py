"""The folder of one run: its flags, log and results, written so that nothing is half there.

flags.txt           the run's flags, a flagfile that repeats it
log.jsonl           one JSON object an epoch
checkpoints/        what a restart continues from
tensorboard/        the same numbers for TensorBoard
held_out.txt        of images on disk: those held out, file and class
bad_images.txt      of images on disk: those that could not be decoded, if any
result.json         the last epoch's numbers, when the run is complete
accuracy.png        accuracy of each student by epoch
students/<name>/    a SavedModel each

Of a detector the last two are curves.png and detector/, a SavedModel, and detections.json
has what it found in the last evaluation, as COCO lists it.
"""

import contextlib
import json
import os
import pathlib
import time
import weakref

try:
    import fcntl
except ImportError:  # Windows has none, and gets no lock.
    fcntl = None


class Workdir:
    """Opens or makes the folder of a run.

    Args:
      path: the folder.

    Raises:
      OSError: when it cannot be made or written to.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path).expanduser()
        self._is_new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise OSError(
                f"--workdir={path} cannot be written to ({error.strerror}): pass a folder that can"
            ) from error

    def claim(self, patience=30.0):
        """Keeps other processes out of the folder while this object, or its process, lives.

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
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ValueError(
                        f"another process trains in workdir {self.path}: wait for it, stop it, or "
                        "pass another --workdir"
                    ) from None
                time.sleep(0.2)

    def discard_if_empty(self):
        """Takes away a folder that was made here, if nothing was written to it."""
        if self._is_new:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def check_flags(self, flags, free=(), defaults=None):
        """Refuses a folder that a run with other flags has made.

        Args:
          flags: `{name: text}` of the run's flags.
          free: names of those that may differ, as they do not decide the run's numbers.
          defaults: `{name: text}` of flags that an older version, which had none of that
            name, is taken to have had.

        Raises:
          ValueError: naming each flag that differs, with both values.
        """
        before = read_flags(self.path / "flags.txt")
        if not before:
            return
        for name, text in (defaults or {}).items():
            before.setdefault(name, text)
        if 2 * len(before.keys() & flags.keys()) < len(before.keys() | flags.keys()):
            strange = next(name for name in before if name not in flags)
            raise ValueError(
                f"workdir {self.path} is a run of another program, which has --{strange}: pass "
                "another --workdir"
            )
        differ = [
            f"--{name}={before.get(name, '(absent)')} (now {flags.get(name, '(absent)')})"
            for name in {**before, **flags}
            if name not in free and before.get(name) != flags.get(name)
        ]
        if differ:
            raise ValueError(
                f"workdir {self.path} was made with other flags: {', '.join(differ)}; "
                "pass those, or another --workdir"
            )

    def record_flags(self, flags):
        """Writes `flags.txt`; from here on the folder belongs to this run."""
        lines = [f"--{name}={value}\n" for name, value in flags.items()]
        write_atomically(self.path / "flags.txt", "".join(lines))

    @property
    def log(self):
        """The epochs logged so far, a list of dicts."""
        path = self.path / "log.jsonl"
        if not path.exists():
            return []
        # A line that a crash cut short has no newline yet.
        lines = path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]

    def log_epoch(self, record):
        """Appends one epoch; drops what was logged of it and later ones before a restart."""
        kept = [each for each in self.log if each["epoch"] < record["epoch"]]
        lines = [json.dumps(each) + "\n" for each in [*kept, record]]
        write_atomically(self.path / "log.jsonl", "".join(lines))

    @property
    def result(self):
        """The finished run's `result.json` as a dict, or None."""
        path = self.path / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write_result(self, result):
        """Marks the run as complete."""
        write_atomically(self.path / "result.json", json.dumps(result, indent=2) + "\n")


def read_flags(path):
    """`{name: text}` of a `flags.txt`, empty where there is none."""
    path = pathlib.Path(path)
    if not path.exists():
        return {}
    lines = [line[2:].partition("=") for line in path.read_text().splitlines()]
    return {name: value for name, _, value in lines}


def write_atomically(path, text):
    """Writes a text file under a temporary name, then renames it."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)
