"""Metrics and losses that take probabilities or logits: those of a cohort get logits."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from typing import Any

import keras

from kdcl_tf.cohort import configurations

__all__ = ["of_logits"]


def of_logits(metric: Any, is_told: bool = False) -> Any:
    """A metric, loss or function with `from_logits=True`, if it has that argument.

    What computes its value by code of its own, and not by Keras's, stays as it is.

    Args:
      metric: a metric, which is changed, a loss or a function, which are not.
      is_told: whether it may say that it takes probabilities; a warning says what is taken.

    Raises:
      ValueError: for a `functools.partial` with `from_logits=False`.
    """
    if not isinstance(metric, (keras.metrics.Metric, keras.losses.Loss)):
        return _of_function(metric)
    is_loss = isinstance(metric, keras.losses.Loss)
    computes = type(metric).call if is_loss else type(metric).update_state
    if not configurations.is_of("keras", computes) or _takes_logits(metric) is not False:
        return metric
    if is_told:
        warnings.warn(
            f"students give logits: {metric.name} is computed with from_logits=True; give it that to "
            "leave out this line",
            stacklevel=2,
        )
    found = copy.copy(metric) if is_loss else metric
    for attribute in ("from_logits", "_from_logits"):
        if hasattr(found, attribute):
            setattr(found, attribute, True)
    if hasattr(found, "_fn_kwargs"):
        found._fn_kwargs = {**found._fn_kwargs, "from_logits": True}
    return found


def _of_function(function):
    given = getattr(function, "keywords", {}).get("from_logits")
    if given is False:
        raise ValueError(
            "expected a metric of logits, which students give; got a functools.partial of "
            f"{function.func.__name__} with from_logits=False: give it from_logits=True"
        )
    if given is None and configurations.takes(function, "from_logits"):
        return functools.partial(function, from_logits=True)
    return function


def _takes_logits(metric):
    """What an object says of `from_logits`; None where it has no such argument."""
    for attribute in ("from_logits", "_from_logits"):
        if hasattr(metric, attribute):
            return getattr(metric, attribute)
    # Of the wrappers of functions, of metrics and of losses.
    function = getattr(metric, "_fn", getattr(metric, "fn", None))
    if not configurations.takes(function, "from_logits"):
        return None
    default = inspect.signature(function).parameters["from_logits"].default
    return metric._fn_kwargs.get("from_logits", default)
