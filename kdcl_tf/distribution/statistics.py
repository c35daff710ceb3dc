"""What makes a run's numbers depend on the number of replicas.

First of all in how many parts each batch is normalised; then random numbers in layers, and parts of
`accumulation_steps` that are normalised together.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

__all__ = ["change", "dependences", "parts", "remark"]


def parts(strategy: tf.distribute.Strategy, models: Sequence[keras.Model]) -> int:
    """The number of parts of a batch that batch normalization takes statistics of by themselves.

    Args:
      strategy: that the models train under.
      models: with all layers that train.

    Returns:
      1 where each batch is normalised as a whole, as on one device, with synchronised statistics,
      or without batch normalization; the number of replicas where each normalises its own images.
    """
    apart = any(not each.synchronized for each in _norms(models))
    return strategy.num_replicas_in_sync if apart else 1


def dependences(
    normalized: Sequence[keras.Model],
    trained: Sequence[keras.Model],
    accumulation_steps: int,
    once_synchronized: bool = False,
) -> list[str]:
    """What else makes numbers depend on the number of replicas, a clause for each.

    Args:
      normalized: the models that take statistics of batches.
      trained: all models that run in training.
      accumulation_steps: parts that each replica runs its images in.
      once_synchronized: whether to tell what it will be once all batch norm is synchronised.
    """
    found = []
    if accumulation_steps > 1 and any(
        once_synchronized or each.synchronized for each in _norms(normalized)
    ):
        found.append(
            f"synchronised batch norm takes statistics of {accumulation_steps} parts of a batch "
            "(--accumulation_steps), which are of other images than on one device"
        )
    if any(getattr(layer, "_seed_generators", ()) for layer in _layers(trained)):
        found.append("layers such as dropout draw the same random numbers on every replica")
    return found


def remark(count: int, replicas: int = 1, others: Sequence[str] = ()) -> list[str]:
    """Lines for a run whose numbers are not those of one device.

    Args:
      count: `parts` of a batch that are normalised by themselves.
      replicas: of the run.
      others: its `dependences`, where `count` is above 1 those once it is synchronised.
    """
    lines = []
    if count > 1:
        lines.append(
            f"each of {count} replicas normalises its own part of a batch, so the numbers are not "
            "those of one device: --synchronized_batch_norm, from the beginning of a run, makes them "
            "so" + (f", but for what follows: {'; '.join(others)}" if others else "")
        )
    elif replicas > 1 and others:
        lines.append(f"the numbers are not those of one device: {'; '.join(others)}")
    return lines


def change(
    before: int | None,
    now: int,
    replicas_before: int | None = None,
    replicas_now: int | None = None,
) -> list[str]:
    """A line for a run that goes on with other numbers; none where that is unknown.

    Args:
      before: `parts` of the run so far, or None.
      now: `parts` from now on.
      replicas_before: on which the numbers of the run so far depend by its `dependences`: 1
        without any, or None.
      replicas_now: on which they do from now on.
    """
    neither = "its numbers will be neither those of the first devices nor those of the second"
    if before not in (None, now):
        return [
            f"this run was begun with each batch normalised {_in(before)}, and goes on {_in(now)}: "
            f"{neither}"
        ]
    if replicas_before not in (None, replicas_now):
        return [
            f"this run was begun with {_replicas(replicas_before)}, and goes on with "
            f"{_replicas(replicas_now)}, on which its numbers depend: {neither}"
        ]
    return []


def _layers(models):
    return [layer for model in models for layer in model._flatten_layers()]


def _norms(models):
    return [each for each in _layers(models) if isinstance(each, keras.layers.BatchNormalization)]


def _replicas(count):
    return "1 replica" if count == 1 else f"{count} replicas"


def _in(count):
    return "as a whole" if count == 1 else f"in {count} parts"
