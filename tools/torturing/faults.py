"""The faults: what is done to a run, by kind, each drawn from its own random numbers.

A fault starts from nothing, from a run that was stopped in its second epoch, or from a complete
one.  It says whether the same command must afterwards end in the result of an undisturbed run, or
may refuse to go on, since what it was given is no longer this run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torturing import damage, moments
from torturing.ground import Ground
from torturing.programs import CLASSIFIER, DETECTOR, EVALUATE, EXPORT, RECORDS, Program


@dataclasses.dataclass(frozen=True)
class Fault:
    """One kind.

    Attributes:
      kind: its name.
      start: "nothing", "stopped" or "complete".
      put: puts it into a ground.
      share: how many of about 150 faults are of this kind.
      refuses: whether the same command is to refuse in a line afterwards.
      program: which it is put into.
      workers: processes that train together.
      may_refuse: whether it may also refuse: an export that is under way makes a removed folder
        again, which is then no known run's; and a damaged model is not evaluated.
    """

    kind: str
    start: str
    put: Callable[[Ground], None]
    share: int
    refuses: bool = False
    program: Program = CLASSIFIER
    workers: int = 1
    may_refuse: bool = False


FAULTS = (
    Fault("SIGKILL at a write", "nothing", moments.kill_at_write, 22),
    Fault("SIGKILL at any moment", "nothing", moments.kill, 10),
    Fault("a signal at any moment", "nothing", moments.one_signal, 10),
    Fault("a signal while it exports", "nothing", moments.signal_in_export, 6),
    Fault("SIGTERM at a write", "nothing", moments.signal_at_write, 6),
    Fault("SIGTERM twice", "nothing", moments.two_signals, 3),
    Fault("a damaged file of a stopped run", "stopped", damage.of_any_file, 12),
    Fault("a damaged newest checkpoint", "stopped", damage.of_the_newest, 6),
    Fault("a damaged file of a complete run", "complete", damage.of_any_file, 7),
    Fault("a complete run without its export", "complete", damage.no_export, 2),
    Fault("writes that fail on a full disk", "nothing", moments.disk_full, 5),
    Fault("a real disk that is too small", "nothing", moments.small_disk, 3),
    Fault(
        "the workdir removed while it trains",
        "nothing",
        moments.remove_workdir,
        3,
        may_refuse=True,
    ),
    Fault("standard output closed", "nothing", moments.closed_stdout, 1),
    Fault("half of the images gone", "stopped", damage.half_the_images, 1, refuses=True),
    Fault("a class renamed", "stopped", damage.renamed_class, 1, refuses=True),
    Fault("an image moved to another class", "stopped", damage.moved_image, 2, refuses=True),
    Fault("an image replaced under its name", "stopped", damage.another_image, 2, refuses=True),
    Fault("another seed and a lost flags.txt", "stopped", damage.other_seed, 2, refuses=True),
    Fault("a second process with other flags", "nothing", moments.another_at_once, 2),
    Fault("one of two workers killed or stopped", "nothing", moments.kill_a_worker, 4, workers=2),
    Fault("TFRecords: SIGKILL at a write", "nothing", moments.kill_at_write, 4, program=RECORDS),
    Fault("TFRecords: a damaged index", "stopped", damage.of_the_index, 4, program=RECORDS),
    Fault(
        "TFRecords: a shard changed under its old time",
        "stopped",
        damage.changed_shard,
        3,
        refuses=True,
        program=RECORDS,
    ),
    Fault(
        "TFRecords: a shard cut or gone",
        "stopped",
        damage.cut_shard,
        2,
        refuses=True,
        program=RECORDS,
    ),
    Fault("detector: SIGKILL at a write", "nothing", moments.kill_at_write, 6, program=DETECTOR),
    Fault("detector: SIGKILL at any moment", "nothing", moments.kill, 3, program=DETECTOR),
    Fault("detector: a signal at any moment", "nothing", moments.one_signal, 4, program=DETECTOR),
    Fault(
        "detector: a signal while it exports",
        "nothing",
        moments.signal_in_export,
        4,
        program=DETECTOR,
    ),
    Fault(
        "detector: a damaged file of a stopped run",
        "stopped",
        damage.of_any_file,
        5,
        program=DETECTOR,
    ),
    Fault(
        "detector: a damaged file of a complete run",
        "complete",
        damage.of_any_file,
        3,
        program=DETECTOR,
    ),
    Fault(
        "detector: an annotation changed",
        "stopped",
        damage.changed_annotation,
        2,
        refuses=True,
        program=DETECTOR,
    ),
    Fault("export: SIGKILL at a write", "complete", moments.kill_at_write, 5, program=EXPORT),
    Fault(
        "export: writes that fail on a full disk", "complete", moments.disk_full, 3, program=EXPORT
    ),
    Fault(
        "export: a damaged checkpoint",
        "complete",
        damage.of_the_newest,
        3,
        may_refuse=True,
        program=EXPORT,
    ),
    Fault("evaluate: a signal at any moment", "complete", moments.one_signal, 2, program=EVALUATE),
    Fault(
        "evaluate: a damaged student",
        "complete",
        damage.of_a_student,
        4,
        may_refuse=True,
        program=EVALUATE,
    ),
    Fault(
        "evaluate: a class renamed",
        "complete",
        damage.renamed_class,
        1,
        refuses=True,
        program=EVALUATE,
    ),
)
