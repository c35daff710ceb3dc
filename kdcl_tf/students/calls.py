"""The calls of layers that a functional network is made of."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["calls"]


def calls(model: keras.Model) -> dict[tuple[int, int], Any]:
    """The calls that a model's outputs depend on, each after those whose results it takes.

    A layer that is called several times has several, and a model that is called as a layer has
    one for each time, whatever it consists of.

    Args:
      model: a functional or sequential `keras.Model`.

    Returns:
      `{(id of the layer, number of its call): Keras's node}`, with the attributes `operation`,
      `input_tensors` and `output_tensors`.  Models that share layers share keys.

    Raises:
      ValueError: for another kind of model.
    """
    if not getattr(model, "outputs", None):
        raise ValueError(
            f"expected a functional or sequential keras.Model; got {model.name!r}, a "
            f"{type(model).__name__} whose calls Keras does not record"
        )
    found: dict[tuple[int, int], Any] = {}
    waiting = [(tensor, False) for tensor in model.outputs]
    while waiting:
        tensor, is_ready = waiting.pop()
        operation, call, _ = tensor._keras_history
        node, key = operation._inbound_nodes[call], (id(operation), call)
        if key in found:
            continue
        if is_ready:
            found[key] = node
        else:
            waiting.append((tensor, True))
            waiting += [(each, False) for each in node.input_tensors]
    return found
