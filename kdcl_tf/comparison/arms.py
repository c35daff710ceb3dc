"""The two arms of a comparison, and their runs: one of each arm for every seed."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Mapping

from kdcl_tf.classification.settings import Settings
from kdcl_tf.files import run_flags
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.training import ownership
from kdcl_tf.training.run_files import read_result
from kdcl_tf.training.workdir import Workdir, check_apart

__all__ = [
    "ALONE",
    "COHORT",
    "OF_METHODS",
    "alone",
    "check",
    "check_data",
    "counterparts",
    "present",
    "runs",
]

COHORT, ALONE = "cohort", "alone"

# What only a method of students that learn from each other, or from a teacher, reads.
OF_METHODS = (
    "ensemble",
    "general_error",
    "general_constraint",
    "temperature",
    "distillation_weight",
    "distillation_weight_schedule",
    "teacher",
    "match_classes",
    "branches",
    "ramp_up_epochs",
)
_OF_A_RUN = ("flags.txt", "checkpoints", "result.json")


def alone(settings: Settings) -> Settings:
    """The same students as they train alone: on the same images, held-out ones left out as well.

    They are one `Independent` cohort, in which nothing goes from one student to another.  So
    each begins with the weights and sees the views that it has in the cohort, which it would
    not in a run by itself: both depend on its place among the students.  Branches of one
    network are compared with that network without the other branches.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    own = {name: defaults[name] for name in OF_METHODS}
    if settings.is_branched:
        # There is only one student then, and one rate, which all branches have.
        own |= {"keep_by": "", "learning_rate": next(iter(settings.rates.values()))}
    return dataclasses.replace(settings, method="independent", **own)


def counterparts(settings: Settings) -> Mapping[str, str]:
    """`{student of the cohort: the same student alone}`, by name."""
    names = alone(settings).student_names
    if settings.is_branched:
        return dict.fromkeys(settings.student_names, names[0])
    return dict(zip(settings.student_names, names))


def runs(
    settings: Settings, seeds: int, workdir: pathlib.Path, data_dir: str | None = None
) -> list[Run]:
    """The runs in the order to run them, so that pairs are complete soon.

    Args:
      settings: of the cohort; the first seed is theirs.
      seeds: how many.
      workdir: a run is in `workdir/<arm>/seed<n>`.
      data_dir: where TFDS keeps its data sets; None for its default.
    """
    return [
        _run(arm, each, workdir, data_dir)
        for seed in range(settings.seed, settings.seed + seeds)
        for arm, each in _arms(dataclasses.replace(settings, seed=seed)).items()
    ]


def _arms(settings):
    return {ALONE: alone(settings), COHORT: settings}


def _run(arm, settings, workdir, data_dir):
    arguments = tuple(f"--{name}={text}" for name, text in settings.as_flags().items())
    folder = workdir / arm / f"seed{settings.seed}"
    return _Run(arm, settings.seed, folder, arguments, data_dir=data_dir)


@dataclasses.dataclass(frozen=True)
class _Run(Run):
    data_dir: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it has come to its end, on data that lies where it lies now.

        Of data at another path, only `kdcl-train` can tell whether it is the same.

        Its exports are not looked at: a comparison reads results alone.

        Raises:
          DamageError: when the result is damaged.
        """
        result = read_result(self.workdir)
        if result is None:
            return False
        return not self.settings.lie_elsewhere(result.get("places", {}), self.data_dir)


def check(settings: Settings, workdir: pathlib.Path) -> None:
    """Refuses a folder that holds a run of its own, or a comparison with other settings.

    The number of seeds may differ: their runs are told apart by their folders.

    Raises:
      ValueError: naming what differs; and when its runs were trained on different data.
    """
    check_apart(workdir, settings)
    found = [name for name in _OF_A_RUN if (workdir / name).exists()]
    # A flagfile of the user's own is none of a run, and no comparison writes one.
    if "flags.txt" in found and not run_flags.has_format(workdir / "flags.txt"):
        found.remove("flags.txt")
    if found:
        raise ValueError(
            f"expected --workdir to be a new folder or one of --compare; got {workdir}, a run of "
            f"its own, which has {found[0]}: pass another --workdir"
        )
    for arm, path, seed in present(workdir):
        Workdir(path).check(_arms(dataclasses.replace(settings, seed=seed))[arm])
    check_data(workdir)


def check_data(workdir: pathlib.Path) -> None:
    """Refuses runs that were trained on different data, which one table must not mix.

    The data may have changed between two runs, of which neither was begun before.

    Raises:
      ValueError: naming two runs, and what differs.
    """
    try:
        ownership.check_same_data({path: read_result(path) for _, path, _ in present(workdir)})
    except ownership.OtherDataError as error:
        raise ValueError(
            f"{error}; remove the runs on one of the two, or pass another --workdir"
        ) from error


def present(workdir: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, int]]:
    """`(arm, folder, seed)` of the runs that are in the folder of a comparison."""
    for arm in (ALONE, COHORT):
        for path in sorted((workdir / arm).glob("seed*")):
            number = re.fullmatch("seed([0-9]+)", path.name)
            if number and path.is_dir():
                yield arm, path, int(number[1])
