"""The faults: what is done to a run, by kind, each drawn from its own random numbers.

A fault starts from nothing, from a run that was stopped in its second epoch, or from a complete
one.  It says whether the same command must afterwards end in the result of an undisturbed run, or
may refuse to go on, since what it was given is no longer this run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import mmap
import os
import pathlib
import random
import shutil
import signal
import struct
from collections.abc import Callable

from torturing import runs

# What `files` and the programs write through.
_WRITES = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")


@dataclasses.dataclass
class Ground:
    """Where a fault is put: a copy of the images, a workdir, and what went on so far.

    Attributes:
      images, workdir: folders.
      chance: random numbers of this fault.
      steps: steps that were trained before the last start.
      ended: the processes so far.
      more: flags beside the usual ones.
    """

    images: pathlib.Path
    workdir: pathlib.Path
    chance: random.Random
    steps: int = 0
    ended: list[runs.Ended] = dataclasses.field(default_factory=list)
    more: tuple[str, ...] = ()

    def run(
        self,
        before: Callable[[], None] = lambda: None,
        meanwhile: Callable[[int, float], None] = lambda *_: None,
        close_stdout: bool = False,
    ) -> runs.Ended:
        """Runs the command to its end, and counts its steps."""
        with self._counting(before) as counted:
            ended = runs.Started(self.command, counted, close_stdout).wait(meanwhile)
        self.ended.append(ended)
        return ended

    def run_pair(self, *meanwhile: Callable[[int, float], None]) -> runs.Ended:
        """Runs the command on two workers, whose steps are not counted; what the chief came to."""
        ended = runs.run_pair(self.command, meanwhile or (lambda *_: None,) * 2)
        self.ended += ended
        return ended[0]

    @property
    def command(self) -> list[str]:
        """The flags of the run."""
        return runs.arguments(self.images, self.workdir, *self.more)

    @contextlib.contextmanager
    def _counting(self, before):
        count = mmap.mmap(-1, 8)

        def counted():
            _count_steps(count)
            before()

        yield counted
        self.steps = struct.unpack("q", count[:8])[0]


@dataclasses.dataclass(frozen=True)
class Fault:
    """One kind.

    Attributes:
      kind: its name.
      start: "nothing", "stopped" or "complete".
      put: puts it into a ground.
      refuses: whether the same command is to refuse in a line afterwards.
      share: how many of a hundred faults are of this kind.
      workers: processes that train together.
      may_refuse: whether it may also refuse: an export that is under way makes a removed folder
        again, which is then no known run's.
    """

    kind: str
    start: str
    put: Callable[[Ground], None]
    refuses: bool
    share: int
    workers: int = 1
    may_refuse: bool = False


def _count_steps(count):
    """Counts in memory that outlives the process the steps it was at last."""
    from kdcl_tf.training.progress import Progress

    advance = Progress.advance

    def counting(self, images, loss):
        # Bars begin where the run goes on.
        advance(self, images, loss)
        done = struct.unpack("q", count[:8])[0]
        count[:8] = struct.pack("q", done + 1)

    Progress.advance = counting


def _at_write(number, act, after=False):
    """Acts at one of the calls that change the disk, before or after it."""
    calls = [0]

    def wrapped(function):
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == number and not after:
                act()
            value = function(*arguments, **options)
            if calls[0] == number and after:
                act()
            return value

        return call

    def patch():
        for name in _WRITES:
            setattr(os, name, wrapped(getattr(os, name)))

    return patch


def _kill_at_write(ground):
    number = ground.chance.randint(1, 220)
    kill = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    ground.run(before=_at_write(number, kill, ground.chance.random() < 0.5))


def _when(ground, longest, act):
    """Acts once, at a random moment of a run."""
    moment, done = ground.chance.uniform(0, longest), []

    def meanwhile(process, seconds):
        if seconds >= moment and not done:
            done.append(True)
            act(process)

    return meanwhile


def _kill(ground):
    ground.run(meanwhile=_when(ground, 9, lambda process: os.kill(process, signal.SIGKILL)))


def _signal(ground):
    number = ground.chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    ground.run(meanwhile=_when(ground, 9, lambda process: os.kill(process, number)))


def _signal_twice(ground):
    def act(process):
        for _ in range(2):
            os.kill(process, signal.SIGTERM)

    ground.run(meanwhile=_when(ground, 9, act))


def _signal_at_write(ground):
    stop = lambda: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
    ground.run(before=_at_write(ground.chance.randint(1, 220), stop))


def _damage(ground):
    """Spoils one file of the run."""
    paths = [path for path in sorted(ground.workdir.rglob("*")) if path.is_file()]
    _spoil(ground.chance.choice(paths), ground.chance)


def _spoil(path, chance):
    content = bytearray(path.read_bytes())
    way = chance.choice(["flip", "cut", "empty", "delete", "garbage", "longer"])
    if way == "delete":
        path.unlink()
        return
    if way == "flip" and content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif way == "cut":
        content = content[: len(content) // 2]
    elif way == "empty":
        content = bytearray()
    elif way == "garbage":
        content = bytearray(chance.randbytes(len(content)))
    else:
        content += b"\0{"
    path.write_bytes(content)


def _damage_the_newest(ground):
    newest = max((ground.workdir / "checkpoints").glob("step-*"))
    _spoil(ground.chance.choice(sorted(newest.iterdir())), ground.chance)


def _no_export(ground):
    shutil.rmtree(ground.workdir / "students")


def _disk_full(ground):
    """Every write fails from some moment on."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def act():
        for name in ("fsync", "mkdir"):
            setattr(os, name, full)

    ground.run(before=_at_write(ground.chance.randint(1, 200), act))


def _small_disk(ground):
    """A real file system that is too small for the run."""
    kilobytes = ground.chance.randint(300, 9000)
    mount = f"mount -t tmpfs -o size={kilobytes}k tmpfs {ground.workdir}"
    ground.workdir.mkdir(parents=True, exist_ok=True)
    if os.system(f"{mount} 2>/dev/null"):
        return
    try:
        ground.run()
        kept = ground.workdir.with_name("kept")
        shutil.copytree(ground.workdir, kept)
    finally:
        os.system(f"umount {ground.workdir}")
    shutil.rmtree(ground.workdir)
    kept.rename(ground.workdir)


def _remove_workdir(ground):
    def act(_):
        # At once: what a slow removal leaves of a run that ends meanwhile may be refused.
        gone = ground.workdir.with_name("gone")
        if ground.workdir.exists():
            ground.workdir.rename(gone)
            shutil.rmtree(gone)

    ground.run(meanwhile=_when(ground, 7, act))


def _closed_stdout(ground):
    ground.run(close_stdout=True)


def _half_the_images(ground):
    for path in sorted((ground.images / "train").rglob("*.png"))[::2]:
        path.unlink()


def _renamed_class(ground):
    for split in ("train", "test"):
        (ground.images / split / "ape").rename(ground.images / split / "zebra")


def _moved_image(ground):
    path = ground.chance.choice(sorted((ground.images / "train" / "bee").iterdir()))
    path.rename(ground.images / "train" / "cow" / f"moved_{path.name}")


def _another_image(ground):
    split = ground.chance.choice(["train", "test"])
    paths = sorted((ground.images / split).rglob("*.png"))
    first, second = ground.chance.sample(paths, 2)
    shutil.copyfile(first, second)


def _other_seed(ground):
    """Without its flags, or with half of them, the folder looks like any other."""
    path = ground.workdir / "flags.txt"
    text = path.read_text()
    path.write_text(text[: ground.chance.choice([0, 10, len(text) // 2])])
    ground.more = ("--seed=1",)


def _another_at_once(ground):
    """A second process wants the folder while the first has it."""
    began = []

    def meanwhile(process, seconds):
        if seconds > 2 and not began:
            began.append(True)
            command = runs.arguments(ground.images, ground.workdir, "--seed=1")
            ground.ended.append(runs.Started(command).wait())

    ground.run(meanwhile=meanwhile)


def _kill_a_worker(ground):
    number = ground.chance.choice([signal.SIGKILL, signal.SIGTERM])
    victim = ground.chance.randrange(2)
    act = _when(ground, 20, lambda process: os.kill(process, number))
    ground.run_pair(*(act if index == victim else lambda *_: None for index in range(2)))


FAULTS = (
    Fault("SIGKILL at a write", "nothing", _kill_at_write, False, 22),
    Fault("SIGKILL at any moment", "nothing", _kill, False, 10),
    Fault("SIGTERM, SIGINT or SIGHUP at any moment", "nothing", _signal, False, 10),
    Fault("SIGTERM at a write", "nothing", _signal_at_write, False, 6),
    Fault("SIGTERM twice", "nothing", _signal_twice, False, 3),
    Fault("a damaged file of a stopped run", "stopped", _damage, False, 12),
    Fault("a damaged newest checkpoint", "stopped", _damage_the_newest, False, 6),
    Fault("a damaged file of a complete run", "complete", _damage, False, 7),
    Fault("a complete run without its export", "complete", _no_export, False, 2),
    Fault("writes that fail, disk full", "nothing", _disk_full, False, 5),
    Fault("a real disk that is too small", "nothing", _small_disk, False, 3),
    Fault(
        "the workdir removed while it trains", "nothing", _remove_workdir, False, 3, may_refuse=True
    ),
    Fault("standard output closed", "nothing", _closed_stdout, False, 1),
    Fault("half of the images gone", "stopped", _half_the_images, True, 1),
    Fault("a class renamed", "stopped", _renamed_class, True, 1),
    Fault("an image moved to another class", "stopped", _moved_image, True, 2),
    Fault("an image replaced under its name", "stopped", _another_image, True, 2),
    Fault("another seed, flags.txt cut or empty", "stopped", _other_seed, True, 2),
    Fault("a second process with other flags", "nothing", _another_at_once, False, 2),
    Fault("one of two workers killed or stopped", "nothing", _kill_a_worker, False, 4, workers=2),
)
