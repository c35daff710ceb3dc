"""Losses of the layers that belong to the method itself, and to none of the networks that it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

__all__ = ["check_adds_none", "check_learns", "regularised", "with_regularisation"]


def regularised(cohort: keras.Model, networks: Iterable[keras.Model]) -> list[keras.Variable]:
    """The method's own weights that are trained and have a regulariser.

    Args:
      cohort: whose weights count where they are of none of `networks`.
      networks: those that run, and the students.
    """
    known = {id(each) for network in networks for each in network.variables}
    return [
        each
        for each in cohort.trainable_variables
        if id(each) not in known and getattr(each, "regularizer", None) is not None
    ]


def with_regularisation(
    penalties: Sequence[tf.Tensor], own: Iterable[keras.Variable]
) -> list[tf.Tensor]:
    """The penalties, the first with what regularises the method's own weights.

    Args:
      penalties: scalars, of the networks that run.
      own: as `regularised` gives them.
    """
    first, *others = penalties
    found = [tf.cast(each.regularizer(each), tf.float32) for each in own]
    return [tf.add_n([first, *found]) if found else first, *others]


def check_learns(
    cohort: keras.Model, own: Iterable[keras.Variable], gradients: Iterable[tf.Tensor | None]
) -> None:
    """Refuses weights that nothing but their regulariser would move, as those of a model that it imitates.

    Args:
      cohort: of the message.
      own: as `regularised` gives them.
      gradients: of the losses of images, one for each; None where these do not depend on it.

    Raises:
      ValueError: naming the first.
    """
    for variable, gradient in zip(own, gradients, strict=True):
        if gradient is None:
            raise ValueError(
                f"no loss of {type(cohort).__name__} depends on {variable.path}, which its regularizer "
                "would shrink: expected weights that the method trains; freeze those that it only "
                "imitates, layer.trainable = False"
            )


def check_adds_none(cohort: keras.Model, networks: Iterable[keras.Model]) -> None:
    """Refuses a method's own layer that computes a loss when it is called, as `add_loss` does.

    A layer keeps those of its last call alone, which nothing would add to the loss.

    Args:
      cohort: after a step.
      networks: those that run, and the students.

    Raises:
      ValueError: naming the first such layer, unless it is frozen, as what is only imitated.
    """
    known = {id(each) for network in networks for each in network._flatten_layers()}
    for layer in cohort._flatten_layers():
        if layer._losses and layer.trainable and id(layer) not in known:
            raise ValueError(
                f"expected layers of {type(cohort).__name__} itself that add no losses; got "
                f"{layer.name} with add_loss or an activity_regularizer: add them to what "
                "distillation_losses returns, or freeze the layer"
            )
