"""The wide ResNets of Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016.

WRN-d-k has depth d = 6n+4: a 3x3 convolution to 16 channels, three stages of n
blocks with 16k, 32k and 64k filters, the second and third starting with stride
2, norm - relu, a global average, a dense layer. A block is norm - relu - conv -
norm - relu - conv, plus its shortcut, without dropout. Paddings are PyTorch's.

Where the number of channels changes the shortcut is a 1x1 convolution of the
activated input, as in the authors' code; elsewhere it is the input itself.

| 100 classes | trainable parameters |
|---|---|
| wrn_16_1 | 180,916 |
| wrn_16_2 | 703,284 |
| wrn_28_10 | 36,536,884 |
| wrn_40_1 | 569,780 |
| wrn_40_2 | 2,255,156 |
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kdcl_tf.students.layers import Layers

if TYPE_CHECKING:
    import keras

FILTERS = (16, 32, 64)  # of stages 1, 2, 3, before the widening


def parts(depth: int, width: int, num_classes: int, layers: Layers) -> list:
    """The network in the order it runs: stem, stage 1, stage 2, stage 3, head.

    Each part is a function `part(x, prefix="") -> x`, as in `cifar_resnet.parts`.

    Args:
        depth: 6n + 4 with n >= 1; `kdcl_tf.students.names` checks it.
        width: the k of WRN-d-k, 1 or more.
        num_classes: length of the logits.
        layers: makes the layers.

    Returns:
        Five functions, `[B, H, W, channels]` -> ... -> `[B, num_classes]`.
    """
    blocks = (depth - 4) // 6
    stages = [
        partial(stage, layers=layers, number=number, filters=filters * width, blocks=blocks)
        for number, filters in enumerate(FILTERS, start=1)
    ]
    last = partial(head, layers=layers, num_classes=num_classes)
    return [partial(stem, layers=layers), *stages, last]


def stem(x: keras.KerasTensor, prefix: str = "", *, layers: Layers) -> keras.KerasTensor:
    """Images `[B, H, W, channels]` -> features `[B, H, W, 16]`, not yet normalised."""
    return layers.convolution(x, FILTERS[0], 3, 1, f"{prefix}stem_conv")


def stage(
    x: keras.KerasTensor,
    prefix: str = "",
    *,
    layers: Layers,
    number: int,
    filters: int,
    blocks: int,
) -> keras.KerasTensor:
    """`blocks` blocks; `[B, H, W, C]` -> `[B, H / 2, W / 2, filters]`, or H, W in stage 1."""
    for index in range(1, blocks + 1):
        strides = 2 if number > 1 and index == 1 else 1
        name = f"{prefix}stage{number}_block{index}"
        x = block(x, layers, filters=filters, strides=strides, name=name)
    return x


def block(
    x: keras.KerasTensor, layers: Layers, *, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """One basic block with its activation before the convolutions."""
    y = layers.batch_norm(x, f"{name}_norm1")
    y = layers.relu(y, f"{name}_relu1")
    if strides > 1 or x.shape[-1] != filters:
        # From here, not from x: the shortcut shares the block's first activation.
        x = layers.convolution(y, filters, 1, strides, f"{name}_shortcut_conv")
    y = layers.convolution(y, filters, 3, strides, f"{name}_conv1")
    y = layers.batch_norm(y, f"{name}_norm2")
    y = layers.relu(y, f"{name}_relu2")
    y = layers.convolution(y, filters, 3, 1, f"{name}_conv2")
    return layers.add(y, x, f"{name}_add")


def head(
    x: keras.KerasTensor, prefix: str = "", *, layers: Layers, num_classes: int
) -> keras.KerasTensor:
    """Features `[B, H, W, C]` -> logits `[B, num_classes]`."""
    x = layers.batch_norm(x, f"{prefix}head_norm")
    x = layers.relu(x, f"{prefix}head_relu")
    return layers.logits(x, num_classes, prefix)
