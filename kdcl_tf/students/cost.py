"""What a network costs: multiply-adds of its convolutions and dense layers."""

from __future__ import annotations

import math

import keras

from kdcl_tf.students.calls import calls

__all__ = ["multiply_adds"]

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of the forward pass of one image, which most papers call FLOPs.

    Convolutions and dense layers count. Batch norm, activations, pooling and additions, a
    few percent, do not.

    Args:
        model: a functional or sequential `keras.Model` whose input sizes are known. A layer
            counts as often as it is called; a call counts once, however many outputs of the
            model depend on it.

    Raises:
        ValueError: for another kind of layer with a kernel, so that it is not counted as
            nothing; for sizes that are not known, and a model of another kind.
    """
    return sum(_of_call(node) for node in calls(model).values())


def _of_call(node) -> int:
    layer, outputs = node.operation, node.output_tensors[0].shape[1:]
    if hasattr(layer, "layers"):
        return _of_nested(layer, node)
    if not (sizes := _kernel_sizes(layer)):
        return 0
    kind = type(layer).__name__
    is_first = getattr(layer, "data_format", "") == "channels_first"
    pixels = outputs[1:] if is_first else outputs[:-1]
    places = {"Dense": outputs[:-1], **dict.fromkeys(_CONVOLUTIONS, pixels)}
    if kind not in places:
        raise ValueError(
            f"cannot count the multiply-adds of layer {layer.name!r}: expected one of "
            f"{', '.join((*_CONVOLUTIONS, 'Dense'))}; got {kind}"
        )
    if None in places[kind]:
        raise ValueError(
            f"cannot count the multiply-adds of layer {layer.name!r}: expected images of a known "
            f"size; got an output of shape {node.output_tensors[0].shape}"
        )
    # Every weight of a kernel, also of a depthwise one, is used once for each pixel.
    return sum(sizes) * math.prod(places[kind])


def _of_nested(model, node) -> int:
    """Of a model that is called as a layer, perhaps on images of another size than its own."""
    given = [tensor.shape for tensor in node.input_tensors]
    shapes = [tensor.shape for tensor in getattr(model, "inputs", None) or []]
    if given != shapes:
        raise ValueError(
            f"cannot count the multiply-adds of {model.name!r}, which is called as a layer: "
            f"expected inputs of the shapes that it was made with, {shapes}; got {given}"
        )
    return multiply_adds(model)


def _kernel_sizes(layer) -> list[int]:
    """The sizes of the layer's kernels; vectors, which scale or shift channels, are no kernels."""
    return [
        math.prod(weight.shape) for weight in getattr(layer, "weights", ()) if len(weight.shape) > 1
    ]
