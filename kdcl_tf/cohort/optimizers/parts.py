"""What a Keras optimizer consists of, under a loss scale or in a `MultiOptimizer`."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import keras

from kdcl_tf.cohort import hyperparameters

__all__ = [
    "accept_fewer",
    "clips_by_global_norm",
    "copy_weights",
    "exclude_from_weight_decay",
    "has_slots",
    "inner",
    "parts",
    "pass_on_exclusions",
]


def inner(optimizer):
    """The optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def parts(optimizer: Any) -> list[keras.optimizers.Optimizer]:
    """The optimizers that one consists of, without loss scales: itself, or a `MultiOptimizer`'s.

    Of a `MultiOptimizer` that chooses them by a function, those that it has asked for when it was
    built.
    """
    found = inner(optimizer)
    return list(getattr(found, "optimizers", [found]))


def has_slots(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether a built optimizer keeps more than its steps and its rate, such as momenta."""
    own = ("iteration", "learning_rate")
    return any(each.name not in own for each in inner(optimizer).variables)


def clips_by_global_norm(optimizer: Any) -> bool:
    """Whether the norm of all gradients together decides how far each is clipped."""
    return getattr(inner(optimizer), "global_clipnorm", None) is not None


def exclude_from_weight_decay(
    optimizer: Any, var_list: Any = None, var_names: Sequence[str] | None = None
) -> None:
    """As the function of this name of a Keras optimizer, for each that one consists of.

    Args:
      optimizer: of any kind, which may have a loss scale.
      var_list: the variables that do not decay.
      var_names: patterns of the names of others.
    """
    for part in parts(optimizer):
        part.exclude_from_weight_decay(var_list=var_list, var_names=var_names)


def pass_on_exclusions(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes one with a loss scale, and a `MultiOptimizer`, exclude from the decay of its parts.

    By themselves they have no decay, and what they are told, before or from now on, has no effect.

    Args:
      optimizer: of any kind.
    """
    if parts(optimizer) == [optimizer]:
        return
    for part in parts(optimizer):
        _exclude_also(part, optimizer)
    optimizer.exclude_from_weight_decay = functools.partial(exclude_from_weight_decay, optimizer)


def _exclude_also(optimizer, other):
    """Excludes what another optimizer was told to, before; Keras keeps keys and a pattern of names."""
    keys, pattern = "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"
    patterns = [each.pattern for one in (optimizer, other) if (each := getattr(one, pattern, None))]
    setattr(optimizer, keys, getattr(optimizer, keys, set()) | getattr(other, keys, set()))
    setattr(optimizer, pattern, re.compile("|".join(patterns)) if patterns else None)
    optimizer._exclude_from_weight_decay_cache = {}


def accept_fewer(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a `MultiOptimizer` take gradients of fewer variables than it was built on.

    Keras's wants one for each, and a layer may have been frozen since.

    Args:
      optimizer: of any kind, which may have a loss scale.
    """
    divided = inner(optimizer)
    if hasattr(divided, "optimizers"):
        divided.apply = functools.partial(_apply_parts, divided)


def _apply_parts(divided, grads, trainable_variables=None):
    """`MultiOptimizer.apply`, with its arguments, of some of the variables."""
    if trainable_variables is None or len(grads) == len(divided._trainable_variables):
        return type(divided).apply(divided, grads, trainable_variables)
    places = [divided._var_to_optimizer_idx[divided._var_key(each)] for each in trainable_variables]
    for index, part in enumerate(divided.optimizers):
        pairs = zip(places, grads, trainable_variables)
        own = [pair for place, *pair in pairs if place == index]
        if own:
            part.apply([gradient for gradient, _ in own], [variable for _, variable in own])
    divided._iterations.assign_add(1)


def copy_weights(optimizer: keras.optimizers.Optimizer) -> None:
    """Gives one that keeps a copy of the weights, and has made no step, those of now.

    Keras builds optimizers when training begins, and a cohort when it is compiled: weights may
    have been set in between, which the first step would undo.
    """
    for part in parts(optimizer):
        if (
            isinstance(part, _COPYING)
            and part.built
            and not hyperparameters.number(part.iterations)
        ):
            for copy, variable in zip(part._momentums, part._trainable_variables, strict=True):
                if copy is not None:
                    copy.assign(variable.value)


# Keras's optimizers whose first momentum is a copy of the weights.
_COPYING = tuple(
    getattr(keras.optimizers, name)
    for name in ("ScheduleFreeAdamW",)
    if hasattr(keras.optimizers, name)
)
