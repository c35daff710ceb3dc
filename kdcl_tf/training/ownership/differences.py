"""In what two runs differ, by the settings and the data of their identities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdcl_tf.files import identity, moments
from kdcl_tf.students.names import is_name
from kdcl_tf.training.settings import MACHINE_SETTINGS, PATH_SETTINGS
from kdcl_tf.training.settings.paths import are_alike, is_moved

__all__ = ["IS_FRESH", "WAS_FRESH", "data_changes", "is_other_epoch", "other_run", "other_settings"]

# One text may stand for both, depending on the version and on the current folder.
IS_FRESH = "backbone is a student's name, for random weights; the run had trained ones"
WAS_FRESH = "backbone is of trained weights; the run tells of none, as with a student's name"


def other_settings(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """The flags in which two runs differ, but for those of the machine and of where data lies.

    A flag that only one of them has is one of a later version, and had its default in the other's,
    of a path none; of two programs, most of whose flags are not the same, all count.
    """
    names, both = {**first, **second}, first.keys() & second.keys()
    is_one_program = 2 * len(both) >= len(names)
    return [
        name
        for name in names
        if (name in both or name in PATH_SETTINGS or not is_one_program)
        and name not in MACHINE_SETTINGS
        and not are_alike(name, first.get(name, ""), second.get(name, ""))
        and not is_moved(name, first.get(name), second.get(name))
    ]


def other_run(ran: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what the identity of one run differs from another's, in words; "" where they are of one."""
    settings = other_settings(ran["settings"], other["settings"])
    if settings:
        return f"with another {', '.join(f'--{name}' for name in settings)}"
    return data_changes(ran, other)


def data_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of the data of one run's two identities differs, in words; "" where nothing does."""
    if changes := identity.data_changes(before["data"], now["data"]):
        return changes
    has, had = (_has_fresh_backbone(each) for each in (now, before))
    if has and "backbone" in before["data"]:
        return IS_FRESH
    return WAS_FRESH if had and "backbone" in now["data"] else ""


def _has_fresh_backbone(facts):
    """Whether a detector began with random weights; early versions never told trained ones."""
    return "backbone" not in facts["data"] and is_name(facts["settings"].get("backbone", ""))


def is_other_epoch(card: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether an export is of another epoch than its complete run's, as far as both tell.

    Args:
      card: of the exported model.
      result: of the run.
    """
    exported, moment = result.get("exported_epoch"), moments.of(card)
    return None not in (exported, moment) and moment != (exported, 0)
