"""What a run has where nothing is given for it, by its method and its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdcl_tf.classification.settings.method_rules import BRANCHED
from kdcl_tf.training.settings import milestones_at

if TYPE_CHECKING:
    from kdcl_tf.classification.settings import Settings

__all__ = ["TEMPERATURES", "of"]

# The paper's T on CIFAR for KDCL and its teachers, each method's own for the rest.
TEMPERATURES = {"kdcl": 2.0, "offline_distillation": 2.0, "one": 3.0, "clnn": 2.0}
_BRANCHES = {"one": 3, "clnn": 4}
# ONE's authors ramp up over 80 of 300 epochs.
_RAMP_UP = {"one": 80 / 300}

# All digits are learned to 99% by anyone; a few show what a cohort gains.
_OF_DIGITS = {"ensemble": "general", "holdout_per_class": 5, "train_per_class": 10}
_OF_OTHERS = {"ensemble": "min_logit", "holdout_per_class": 0, "train_per_class": 0}


def of(settings: Settings) -> dict[str, Any]:
    """`{field: value}` of the fields that may be None.

    Args:
      settings: of which `method`, `dataset` and `epochs` are read.
    """
    method = settings.method
    return {
        "temperature": TEMPERATURES.get(method, 1.0),
        "branches": _BRANCHES.get(method, 0),
        "ramp_up_epochs": round(_RAMP_UP.get(method, 0) * settings.epochs),
        "invariant": method not in BRANCHED,
        "milestones": milestones_at(settings.epochs, (1, 2), (3, 4)),
        **(_OF_DIGITS if settings.dataset == "digits" else _OF_OTHERS),
    }
