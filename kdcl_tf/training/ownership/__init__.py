"""Whose run a folder holds: the settings and data that it must be continued with."""

from kdcl_tf.training.ownership.checks import (
    OtherDataError,
    check_data,
    check_one_run,
    check_same_data,
    check_settings,
)
from kdcl_tf.training.ownership.differences import is_other_epoch, other_run, other_settings
from kdcl_tf.training.ownership.moved import moved_runs
from kdcl_tf.training.ownership.recorded import identities

__all__ = [
    "OtherDataError",
    "check_data",
    "check_one_run",
    "check_same_data",
    "check_settings",
    "identities",
    "is_other_epoch",
    "moved_runs",
    "other_run",
    "other_settings",
]
