"""Channels that are constant after batch norm, made so exactly, for computing in integers."""

from __future__ import annotations

import keras
import numpy as np

from kdcl_tf.students import precision

__all__ = ["settled"]

# Less than an integer of 8 bits shows of activations, whose deviations are near 1.
_LEAST_DEVIATION = 1e-3


def settled(model: keras.Model) -> keras.Model:
    """The model with a scale of 0 where a batch norm's output hardly deviates from its shift.

    Where the variance of a channel that was always 0 has gone to 0, batch norm multiplies by up to
    `epsilon ** -0.5`.  Folded into a kernel, that gives the channel weights of thousands, which
    multiply nothing, and integers so coarse that its shift is rounded away.  Four such channels of
    a MobileNetV2 can cost a twentieth of its classes.

    Args:
      model: a built keras.Model in float32, which is not changed.

    Returns:
      `model` itself where no channel is constant, or where it cannot be copied.
    """
    if not any(_constant(layer).any() for layer in _norms(model)):
        return model
    try:
        copy = precision.copy_in_float32(model)
    except ValueError:
        return model
    for layer in _norms(copy):
        layer.gamma.assign(np.where(_constant(layer), 0.0, layer.gamma))
    return copy


def _norms(model):
    """Layers that scale by `gamma` what they have divided by the root of a moving variance."""
    layers = [each for each in model._flatten_layers() if hasattr(each, "moving_variance")]
    return [each for each in layers if getattr(each, "gamma", None) is not None]


def _constant(layer):
    """`[C]` bool: the channels whose output has hardly any deviation."""
    variance = np.asarray(layer.moving_variance)
    deviation = np.abs(layer.gamma) * np.sqrt(variance / (variance + layer.epsilon))
    return deviation < _LEAST_DEVIATION
