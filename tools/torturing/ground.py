"""Where a fault is put: a program, its data, its workdir, and what went on so far."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import pathlib
import random
import struct
from collections.abc import Callable

from torturing import runs
from torturing.programs import Program


@dataclasses.dataclass
class Ground:
    """Where a fault is put: a program, a copy of its data, a workdir, and what went on so far.

    Attributes:
      program: what runs.
      data, workdir, cache: folders.
      chance: random numbers of this fault.
      steps: steps that were trained before the last start.
      ended: the processes so far.
      more: flags beside the usual ones.
    """

    program: Program
    data: pathlib.Path
    workdir: pathlib.Path
    cache: pathlib.Path
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
            started = runs.Started(self.program.door, self.command, counted, close_stdout)
            ended = started.wait(meanwhile)
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
        return [*self.program.arguments(self.data, self.workdir), *self.more]

    @contextlib.contextmanager
    def _counting(self, before):
        count = mmap.mmap(-1, 8)

        def counted():
            _count_steps(count)
            before()

        yield counted
        self.steps = struct.unpack("q", count[:8])[0]


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
