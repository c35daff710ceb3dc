"""Finds the weights that a run's students start from, without TensorFlow."""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.classification.settings import Settings
from kdcl_tf.serving import exported, teacher_sources
from kdcl_tf.serving.weight_sources import WeightSource, weight_source
from kdcl_tf.students import names
from kdcl_tf.students.weights import kinds
from kdcl_tf.training.run_files import check_export

# What a run has in its folder as soon as its students have their weights, and when it is complete.
_TRACES = ("checkpoints/*", "result.json")

__all__ = ["check", "check_place", "find", "find_teacher", "is_there"]


def check(settings: Settings, workdir: str | os.PathLike) -> None:
    """Refuses sources and teachers that are not there or are none, unless the run has begun or ended.

    Args:
      settings: of the run.
      workdir: its folder, or that of a comparison's runs.  A run that goes on has the weights in
        its checkpoints; the others of a comparison look for themselves.

    Raises:
      ValueError: as `find`.
    """
    folder = pathlib.Path(workdir).expanduser()
    if any(any(folder.glob(f"{run}{trace}")) for run in ("", "*/seed*/") for trace in _TRACES):
        return
    for student in settings.sources:
        find(settings, student)
    if settings.teacher:
        find_teacher(settings)


def find(settings: Settings, student: str) -> WeightSource:
    """The source of one student's weights, after what can be checked quickly.

    Raises:
      ValueError: in one line that names the flag.
    """
    text = settings.sources[student]
    mode = settings.source_normalizations.get(student, "")
    try:
        source = weight_source(text, settings.architectures[student], mode)
        check_place(text, source)
        return source
    except (ValueError, OSError) as error:
        raise ValueError(f"--initial_weights={student}={text}: {error}") from error


def find_teacher(settings: Settings) -> WeightSource:
    """The source of the teacher's weights, after what can be checked quickly.

    Raises:
      ValueError: in one line that names the flag.
    """
    text = settings.teacher
    try:
        source = teacher_sources.source_of(text)
        check_place(text, source)
        return source
    except (ValueError, OSError) as error:
        raise ValueError(f"--teacher={text}: {error}") from error


def check_place(text: str, source: WeightSource) -> None:
    """Refuses a student that was found in a run's folder and is another run's.

    Args:
      text: what named it, a run, or `ARCHITECTURE=RUN`; other sources are the user's own choice.
      source: the one that was found.

    Raises:
      ValueError: as `check_export`.
    """
    texts = (text, text.partition("=")[2])
    named = [pathlib.Path(each).expanduser() for each in texts if each]
    if source.kind == "saved_model" and source.path and source.path.parent.parent in named:
        check_export(source.path.parent.parent, source.path, exported.known_card(source.path))


def is_there(source: str, architecture: str) -> bool:
    """Whether the weights that a source names are still there, whole or damaged.

    A folder alone is not enough: it may have lost the exported student that was in it.

    Args:
      source: as for `weight_source`; "imagenet" is nowhere.
      architecture: name of the student that they are for.
    """
    if source == kinds.IMAGENET:
        return False
    path = pathlib.Path(source).expanduser()
    if not path.is_dir() or exported.holds_model(path):
        return path.exists()
    known = map(exported.known_card, exported.students_of(path, ensembles=False))
    # A card that does not say may be of it.
    told = [facts.get("architecture") or architecture for facts in known]
    return any(names.same(each, architecture) for each in told)
