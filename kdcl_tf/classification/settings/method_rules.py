"""Which settings go with which method: what it needs, and what it cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdcl_tf import students

if TYPE_CHECKING:
    from kdcl_tf.classification.settings import Settings

__all__ = ["BRANCHED", "check"]

BRANCHED = ("one", "clnn")


def check(settings: Settings) -> None:
    """Refuses settings that the method cannot use, and methods without what they need.

    Args:
      settings: with all defaults, its names and numbers checked.

    Raises:
      ValueError: in one line.
    """
    _check_general(settings)
    method = settings.method
    if bool(settings.teacher) != (method == "offline_distillation"):
        raise ValueError(
            f"--method={method} with --teacher={settings.teacher}: a teacher, an exported "
            "student, goes with --method=offline_distillation, and only with it"
        )
    if settings.ramp_up_epochs and method != "one":
        raise ValueError(f"--ramp_up_epochs={settings.ramp_up_epochs} is for --method=one")
    if settings.is_branched:
        _check_branches(settings)
    elif settings.branches:
        raise ValueError(
            f"--branches={settings.branches} is for --method={' and '.join(BRANCHED)}; got "
            f"--method={method}"
        )


def _check_general(settings):
    """General's weights need images held out; nothing else has settings of them."""
    if settings.uses_general:
        if settings.holdout_per_class < 1:
            raise ValueError(
                "--ensemble=general fits its weights to held-out images; got "
                "--holdout_per_class=0: pass 1 or more (the paper: 50)"
            )
        return
    for field in ("general_error", "general_constraint"):
        value = getattr(settings, field)
        if value != getattr(type(settings), field):
            raise ValueError(
                f"--{field}={value} is for --method=kdcl with --ensemble=general; got "
                f"--method={settings.method} with --ensemble={settings.ensemble}"
            )


def _check_branches(settings):
    method = settings.method
    if len(settings.students) != 1:
        raise ValueError(
            f"--method={method} trains branches of one architecture; got "
            f"--students={','.join(settings.students)}: pass one, and --branches for how many"
        )
    students.validate_branches(settings.students[0])
    if settings.invariant:
        raise ValueError(
            f"--method={method}: branches share their lower layers, and so their view; "
            "got --invariant: pass --noinvariant"
        )
    powers = (2, 4, 8) if method == "clnn" else None
    if settings.branches < 2 or (powers and settings.branches not in powers):
        expected = "2, 4 or 8, a binary tree" if powers else "2 or more"
        raise ValueError(f"expected --branches to be {expected}; got {settings.branches}")
