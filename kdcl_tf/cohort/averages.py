"""Moving averages of weights (`use_ema`), each of which stays with its own variable.

Keras builds an optimizer when training begins, on what is trained then, and finds the average of a
variable by its place.  A cohort builds it when it is compiled.  What is frozen afterwards would move
all places, and might get an average that no step has reached, which is 0.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kdcl_tf.cohort import hyperparameters, optimizers

__all__ = ["begin", "keep_with_variables", "only"]

_AVERAGES = "_model_variables_moving_average"


def keep_with_variables(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a Keras optimizer step, and give to the model, only averages of what is trained now.

    Args:
      optimizer: that may have been given to this function before, have a loss scale, or be a
        `MultiOptimizer`, whose own ones are known when it is built.
    """
    for part in optimizers.parts(optimizer):
        part._update_model_variables_moving_average = functools.partial(_update, part)
        part._overwrite_model_variables_with_average_value = functools.partial(_overwrite, part)


def begin(optimizer: keras.optimizers.Optimizer) -> None:
    """Sets averages that are not those of steps, of what is new or frozen, to the weights of now.

    So whatever swaps weights and averages, as Keras's `SwapEMAWeights` does, leaves those weights.

    Args:
      optimizer: as of `keep_with_variables`; one without `use_ema`, or not built, stays as it is.
    """
    for part in optimizers.parts(optimizer):
        if not (part.use_ema and part.built):
            continue
        is_new = not hyperparameters.number(part.iterations)
        for variable, average in zip(part._trainable_variables, getattr(part, _AVERAGES)):
            if average is not None and (is_new or not variable.trainable):
                average.assign(variable.value)


@contextlib.contextmanager
def only(optimizer: keras.optimizers.Optimizer, averages: Sequence[Any]) -> Iterator[None]:
    """A context in which an optimizer has these averages alone, for variables in their order."""
    # Not by assignment, which TensorFlow would track.
    attributes = vars(optimizer)
    own = attributes[_AVERAGES]
    attributes[_AVERAGES] = list(averages)
    try:
        yield
    finally:
        attributes[_AVERAGES] = own


def _update(optimizer, variables):
    if optimizer.use_ema:
        pairs = zip(variables, getattr(optimizer, _AVERAGES))
        _of_trained(optimizer, "_update_model_variables_moving_average", pairs)


def _overwrite(optimizer, variables):
    wanted = {id(each) for each in variables}
    pairs = zip(optimizer._trainable_variables, getattr(optimizer, _AVERAGES))
    pairs = (pair for pair in pairs if id(pair[0]) in wanted)
    _of_trained(optimizer, "_overwrite_model_variables_with_average_value", pairs)


def _of_trained(optimizer, method, pairs):
    """Calls a method of the optimizer's class for the pairs whose variable is trained."""
    pairs = [(each, own) for each, own in pairs if own is not None and each.trainable]
    with only(optimizer, [own for _, own in pairs]):
        getattr(type(optimizer), method)(optimizer, [each for each, _ in pairs])
