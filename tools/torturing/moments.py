"""Faults at a moment of a running process: kills, signals, disks that are full, folders that go."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading

from torturing import runs

# What `files` and the programs write through.
_WRITES = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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


def _when(ground, longest, act):
    """Acts once, at a random moment of a run."""
    moment, done = ground.chance.uniform(0, longest), []

    def meanwhile(process, seconds):
        if seconds >= moment and not done:
            done.append(True)
            act(process)

    return meanwhile


def kill_at_write(ground):
    number = ground.chance.randint(1, 220)
    kill = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    ground.run(before=_at_write(number, kill, ground.chance.random() < 0.5))


def kill(ground):
    ground.run(meanwhile=_when(ground, 9, lambda process: os.kill(process, signal.SIGKILL)))


def one_signal(ground):
    number = ground.chance.choice(_SIGNALS)
    ground.run(meanwhile=_when(ground, 9, lambda process: os.kill(process, number)))


def signal_in_export(ground):
    """A signal while the students of a run that has trained are exported."""
    number, wait = ground.chance.choice(_SIGNALS), ground.chance.uniform(0, 2)

    def patch():
        from kdcl_tf.training.session import Session

        export = Session._result

        def exporting(session, *args):
            threading.Timer(wait, os.kill, (os.getpid(), number)).start()
            return export(session, *args)

        Session._result = exporting

    ground.run(before=patch)


def two_signals(ground):
    def act(process):
        for _ in range(2):
            os.kill(process, signal.SIGTERM)

    ground.run(meanwhile=_when(ground, 9, act))


def signal_at_write(ground):
    stop = lambda: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
    ground.run(before=_at_write(ground.chance.randint(1, 220), stop))


def disk_full(ground):
    """Every write fails from some moment on."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def act():
        for name in ("fsync", "mkdir"):
            setattr(os, name, full)

    ground.run(before=_at_write(ground.chance.randint(1, 200), act))


def small_disk(ground):
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


def remove_workdir(ground):
    def act(_):
        # At once: what a slow removal leaves of a run that ends meanwhile may be refused.
        gone = ground.workdir.with_name("gone")
        if ground.workdir.exists():
            ground.workdir.rename(gone)
            shutil.rmtree(gone)

    ground.run(meanwhile=_when(ground, 7, act))


def closed_stdout(ground):
    ground.run(close_stdout=True)


def another_at_once(ground):
    """A second process wants the folder while the first has it."""
    began = []

    def meanwhile(process, seconds):
        if seconds > 2 and not began:
            began.append(True)
            command = [*ground.command, "--seed=1"]
            ground.ended.append(runs.Started(ground.program.door, command).wait())

    ground.run(meanwhile=meanwhile)


def kill_a_worker(ground):
    number = ground.chance.choice([signal.SIGKILL, signal.SIGTERM])
    victim = ground.chance.randrange(2)
    act = _when(ground, 20, lambda process: os.kill(process, number))
    ground.run_pair(*(act if index == victim else lambda *_: None for index in range(2)))
