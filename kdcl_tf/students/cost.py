"""What a network costs: multiply-adds of its convolutions and dense layers."""

from __future__ import annotations

import math

import keras

__all__ = ["multiply_adds"]

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of the forward pass of one image, which most papers call FLOPs.

    Convolutions and dense layers count. Batch norm, activations, pooling and additions, a
    few percent, do not.

    Args:
        model: a functional `keras.Model` whose input sizes are known. A layer counts once,
            however many outputs of the model depend on it.

    Raises:
        ValueError: for another kind of layer with a kernel, so that it is not counted as
            nothing.
    """
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer) -> int:
    if hasattr(layer, "layers"):
        return multiply_adds(layer)
    kind = type(layer).__name__
    if kind == "Dense":
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if kind in _CONVOLUTIONS:
        # Every weight of a kernel, also of a depthwise one, is used once for each pixel.
        return sum(_kernel_sizes(layer)) * math.prod(layer.output.shape[1:3])
    if _kernel_sizes(layer):
        kinds = ", ".join((*_CONVOLUTIONS, "Dense"))
        raise ValueError(
            f"cannot count the multiply-adds of layer {layer.name!r}: expected one of {kinds}; got "
            f"{kind}"
        )
    return 0


def _kernel_sizes(layer) -> list[int]:
    """The sizes of the layer's kernels; vectors, which scale or shift channels, are no kernels."""
    return [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
