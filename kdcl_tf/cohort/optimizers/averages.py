"""Moving averages of weights (`use_ema`), each of which stays with its own variable.

Keras builds an optimizer when training begins, on what is trained then, and finds the average of a
variable by its place.  A cohort builds it when it is compiled.  What is frozen afterwards would move
all places, and might get an average that no step has reached, which is 0.

Frozen weights stay as they are if they were frozen before the first `fit`, or before another `compile`:
as in Keras, `trainable` is read when a step is traced.
"""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from kdcl_tf.cohort import hyperparameters
from kdcl_tf.cohort.optimizers.parts import parts

__all__ = ["begin", "keep_with_variables"]

_AVERAGES = "_model_variables_moving_average"


def keep_with_variables(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a Keras optimizer step, and give to the model, only averages of what is trained now.

    Args:
      optimizer: that may have been given to this function before, have a loss scale, or be a
        `MultiOptimizer`, whose own ones are known when it is built.
    """
    for part in parts(optimizer):
        part._update_model_variables_moving_average = functools.partial(_update, part)
        part._overwrite_model_variables_with_average_value = functools.partial(_overwrite, part)


def begin(optimizer: keras.optimizers.Optimizer) -> None:
    """Sets averages that are not those of steps, of what is new or frozen, to the weights of now.

    So whatever swaps weights and averages, as Keras's `SwapEMAWeights` does, leaves those weights.

    Args:
      optimizer: as of `keep_with_variables`; one without `use_ema`, or not built, stays as it is.
    """
    for part in parts(optimizer):
        if not (part.use_ema and part.built):
            continue
        is_new = not hyperparameters.number(part.iterations)
        for variable, average in zip(part._trainable_variables, getattr(part, _AVERAGES, [])):
            if average is not None and (is_new or not variable.trainable):
                average.assign(variable.value)


def _update(optimizer, variables):
    """Keras's `_update_model_variables_moving_average`, of pairs that belong together."""
    if not optimizer.use_ema:
        return
    for variable, average in _of_trained(optimizer, variables):
        is_first = tf.cast(tf.equal(optimizer.iterations, 0), variable.dtype)
        momentum = (1 - is_first) * optimizer.ema_momentum
        average.assign(momentum * average + (1 - momentum) * variable)


def _overwrite(optimizer, variables):
    """Keras's `_overwrite_model_variables_with_average_value`, of the same pairs."""
    for variable, average in _of_trained(optimizer, variables):
        # TensorFlow's own variables, of which each replica assigns its copy.
        variable.value.assign(average.value)


def _of_trained(optimizer, variables):
    """`[(variable, its average)]` of those of the variables that the optimizer trains now.

    Nothing is changed for it: in eager mode, the replicas' threads share the optimizer.
    """
    averages = getattr(optimizer, _AVERAGES, [])
    places = (
        optimizer._trainable_variables_indices.get(optimizer._var_key(each)) for each in variables
    )
    pairs = [
        (optimizer._trainable_variables[place], averages[place])
        for place in places
        if place is not None
    ]
    return [(each, own) for each, own in pairs if own is not None and each.trainable]
