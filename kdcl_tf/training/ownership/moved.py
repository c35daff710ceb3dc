"""The runs whose data has moved, which one that begins may be meant to continue."""

from __future__ import annotations

import contextlib
import pathlib

from kdcl_tf.files import run_flags
from kdcl_tf.students.names import is_name
from kdcl_tf.training.ownership.differences import other_settings
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.settings.paths import is_gone, is_moved

__all__ = ["moved_runs"]


def moved_runs(folder: pathlib.Path, settings: TrainingSettings) -> list[pathlib.Path]:
    """The runs of the same settings in a folder whose data was where there is nothing now.

    Args:
      folder: of workdirs.
      settings: of a run that begins.
    """
    flags = settings.as_flags()
    return [
        path.parent
        for path in sorted(folder.glob("*/flags.txt"))
        if _has_moved(_flags_in(path), flags)
    ]


def _flags_in(path):
    """Of a folder beside the run's, which may be anybody's; what cannot be read there is none."""
    with contextlib.suppress(OSError):
        return run_flags.read(path)
    return {}


def _has_moved(before, now):
    names = [name for name in now if is_moved(name, before.get(name), now[name])]
    # The name of a student is never gone.
    names = [name for name in names if name != "backbone" or not is_name(before[name])]
    return any(is_gone(name, before) for name in names) and not other_settings(before, now)
