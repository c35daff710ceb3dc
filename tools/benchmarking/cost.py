"""What a network costs: multiply-adds of its convolutions and dense layers."""

import math

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")


def multiply_adds(model) -> int:
    """Multiply-adds of one image's forward pass, the unit of most papers' "FLOPs".

    Convolutions and dense layers count; batch norm, activations, pooling and
    additions, a few percent, do not.

    Args:
        model: a functional `keras.Model` whose input sizes are known. Layers that it
            runs once count once, however many of its outputs they serve.

    Raises:
        ValueError: for a layer with a kernel of another kind, which is not counted
            silently as nothing.
    """
    return sum(_of_layer(layer) for layer in model.layers)


def _of_layer(layer) -> int:
    if hasattr(layer, "layers"):
        return multiply_adds(layer)
    kind = type(layer).__name__
    if kind == "Dense":
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if kind in _CONVOLUTIONS:
        # Every weight of a kernel, a depthwise one too, is used once a pixel.
        return sum(_kernel_sizes(layer)) * math.prod(layer.output.shape[1:3])
    if _kernel_sizes(layer):
        wanted = ", ".join((*_CONVOLUTIONS, "Dense"))
        raise ValueError(f"cannot count layer {layer.name!r}, a {kind}: wanted one of {wanted}")
    return 0


def _kernel_sizes(layer) -> list[int]:
    """Numbers of weights of the layer's matrices; what scales or shifts a channel is no matrix."""
    return [math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1]
