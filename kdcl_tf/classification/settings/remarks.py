"""What a person is told of a classifier's settings: what will not be as it may be expected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kdcl_tf.classification.settings.ramps import Ramp
from kdcl_tf.objectives import ramp_up

if TYPE_CHECKING:
    from kdcl_tf.classification.settings import Settings

__all__ = ["of"]

# Keras divides the moments by what is missing in them after as many steps as the optimizer took,
# also in layers that begin to be trained later. Adamax so begins with small steps, and LAMB divides
# by the step's norm.
_TOO_LARGE_AFTER_HEADS = ("adam", "adamw", "nadam")


def of(settings: Settings) -> list[str]:
    """Lines on settings that have an effect, but only part of it or one that few expect."""
    return [
        *_unfinished_ramp_up(settings),
        *_unfinished_schedule(settings),
        *_large_steps(settings),
    ]


def _unfinished_ramp_up(settings):
    if settings.ramp_up_epochs <= settings.epochs or not settings.distillation_weight:
        return []
    share = math.exp(ramp_up.exponent(settings.epochs / settings.ramp_up_epochs))
    return [
        f"--ramp_up_epochs={settings.ramp_up_epochs}: the run ends after epoch {settings.epochs}, "
        f"where the weight of the distillation loss has risen to {share:.2g} of its full value"
    ]


def _unfinished_schedule(settings):
    ramp = Ramp(settings.distillation_weight_schedule)
    last = f"{ramp.at(settings.epochs - 1):.3g}"
    to_come = (number for epoch, number in ramp.points if epoch > settings.epochs)
    if all(f"{number:.3g}" == last for number in to_come):
        return []
    return [
        f"--distillation_weight_schedule={ramp}: the run ends after {settings.epochs} epochs, in "
        f"the last of which the factor is {last}"
    ]


def _large_steps(settings):
    """Of the other layers, once the heads' epochs are over."""
    heads, optimizer = settings.train_head_epochs, settings.optimizer
    if not 0 < heads < settings.epochs or optimizer not in _TOO_LARGE_AFTER_HEADS:
        return []
    return [
        f"--train_head_epochs={heads} with --optimizer={optimizer}: "
        "after the heads' epochs, the first steps of the other layers are several times as "
        "large as the learning rate asks, since the bias correction counts the heads' steps: "
        "pass a lower --learning_rate, or --optimizer=sgd, which has none, to a new --workdir"
    ]
