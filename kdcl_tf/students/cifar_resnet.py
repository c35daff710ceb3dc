"""The ResNets for CIFAR of He et al., "Deep Residual Learning", CVPR 2016, section 4.2.

Depth 6n+2: a 3x3 convolution, three stages of n blocks with 16, 32 and 64
filters, the second and third starting with stride 2, a global average, a dense
layer. A block is conv - norm - relu - conv - norm, plus its shortcut, then relu.

Where the shape changes the shortcut is a 1x1 convolution and a batch norm, as in
the literature on knowledge distillation; paddings are PyTorch's. ResNet-32 with
100 classes so has 472,756 trainable parameters; the parameter-free shortcut of
He et al. (subsampling, zeros for the new channels) would give 470,004.

| 100 classes | trainable parameters |
|---|---|
| resnet8 | 83,892 |
| resnet14 | 181,108 |
| resnet20 | 278,324 |
| resnet32 | 472,756 |
| resnet44 | 667,188 |
| resnet56 | 861,620 |
| resnet110 | 1,736,564 |
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kdcl_tf.students.layers import Layers

if TYPE_CHECKING:
    import keras

FILTERS = (16, 32, 64)  # of stages 1, 2, 3


def parts(depth: int, num_classes: int, layers: Layers) -> list:
    """The network in the order it runs: stem, stage 1, stage 2, stage 3, head.

    Each part is a function `part(x, prefix="") -> x`, which makes new layers each
    time it is called, with names that start with `prefix`. A variant whose
    students share their lower stages calls the first parts once and the last
    ones once a branch.

    Args:
        depth: 6n + 2 with n >= 1; `kdcl_tf.students.names` checks it.
        num_classes: length of the logits.
        layers: makes the layers.

    Returns:
        Five functions, `[B, H, W, channels]` -> ... -> `[B, num_classes]`.
    """
    blocks = (depth - 2) // 6
    stages = [
        partial(stage, layers=layers, number=number, filters=filters, blocks=blocks)
        for number, filters in enumerate(FILTERS, start=1)
    ]
    last = partial(head, layers=layers, num_classes=num_classes)
    return [partial(stem, layers=layers), *stages, last]


def stem(x: keras.KerasTensor, prefix: str = "", *, layers: Layers) -> keras.KerasTensor:
    """Images `[B, H, W, channels]` -> features `[B, H, W, 16]`."""
    x = layers.convolution(x, FILTERS[0], 3, 1, f"{prefix}stem_conv")
    x = layers.batch_norm(x, f"{prefix}stem_norm")
    return layers.relu(x, f"{prefix}stem_relu")


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
    """One basic block with its activation after the addition."""
    y = layers.convolution(x, filters, 3, strides, f"{name}_conv1")
    y = layers.batch_norm(y, f"{name}_norm1")
    y = layers.relu(y, f"{name}_relu1")
    y = layers.convolution(y, filters, 3, 1, f"{name}_conv2")
    y = layers.batch_norm(y, f"{name}_norm2")
    y = layers.add(y, _shortcut(x, layers, filters, strides, name), f"{name}_add")
    return layers.relu(y, f"{name}_relu2")


def _shortcut(x, layers: Layers, filters: int, strides: int, name: str):
    if strides == 1 and x.shape[-1] == filters:
        return x
    x = layers.convolution(x, filters, 1, strides, f"{name}_shortcut_conv")
    return layers.batch_norm(x, f"{name}_shortcut_norm")


def head(
    x: keras.KerasTensor, prefix: str = "", *, layers: Layers, num_classes: int
) -> keras.KerasTensor:
    """Features `[B, H, W, C]` -> logits `[B, num_classes]`."""
    return layers.logits(x, num_classes, prefix)
