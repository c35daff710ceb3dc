"""In how many parts each batch is normalised, on which a run's numbers depend."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

__all__ = ["change", "parts", "remark"]


def parts(strategy: tf.distribute.Strategy, models: Sequence[keras.Model]) -> int:
    """The number of parts of a batch that batch normalization takes statistics of by themselves.

    Args:
      strategy: that the models train under.
      models: with all layers that train.

    Returns:
      1 where each batch is normalised as a whole, as on one device, with synchronised statistics,
      or without batch normalization; the number of replicas where each normalises its own images.
    """
    layers = [layer for model in models for layer in model._flatten_layers()]
    apart = any(
        isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized
        for layer in layers
    )
    return strategy.num_replicas_in_sync if apart else 1


def remark(count: int) -> list[str]:
    """A line for a run whose batches are normalised in `count` parts; none for 1."""
    if count == 1:
        return []
    return [
        f"each of {count} replicas normalises its own part of a batch, so the numbers are not those "
        "of one device: --synchronized_batch_norm, from the beginning of a run, makes them so"
    ]


def change(before: int | None, now: int) -> list[str]:
    """A line for a run that goes on with another number of parts; none where that is unknown.

    Args:
      before: `parts` of the run so far, or None.
      now: `parts` from now on.
    """
    if before in (None, now):
        return []
    return [
        f"this run was begun with each batch normalised {_in(before)}, and goes on {_in(now)}: "
        "its numbers will be neither those of the first devices nor those of the second"
    ]


def _in(count):
    return "as a whole" if count == 1 else f"in {count} parts"
