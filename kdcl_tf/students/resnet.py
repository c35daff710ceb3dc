"""The ResNets for ImageNet of He et al., "Deep Residual Learning", CVPR 2016, section 4.1.

A 7x7 convolution with stride 2, a 3x3 max-pool with stride 2, four stages with
64, 128, 256 and 512 filters, all but the first starting with stride 2, a global
average, a dense layer. A block is two 3x3 convolutions up to depth 34; from
depth 50 on it is a bottleneck: 1x1, 3x3 and 1x1, the last with four times the
filters. Every convolution has its batch norm; relu comes after each but the
last, and after the addition.

As in torchvision ("v1.5") the 3x3 convolution of a bottleneck has the stride,
where the paper has it in the first 1x1; paddings are PyTorch's, and the shortcut
is a 1x1 convolution and a batch norm where the shape changes.

| 1000 classes | trainable parameters | multiply-adds at 224 pixels |
|---|---|---|
| resnet18 | 11,689,512 | 1.81e9 |
| resnet34 | 21,797,672 | 3.66e9 |
| resnet50 | 25,557,032 | 4.09e9 |
| resnet101 | 44,549,160 | 7.80e9 |
| resnet152 | 60,192,808 | 11.51e9 |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kdcl_tf.students.layers import Layers

if TYPE_CHECKING:
    import keras

FILTERS = (64, 128, 256, 512)  # of stages 1 to 4
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def parts(depth: int, num_classes: int, layers: Layers) -> list:
    """The network in the order it runs: stem, stages 1 to 4, head.

    Each part is a function `part(x, prefix="") -> x`, as in `cifar_resnet.parts`.

    Args:
        depth: one of `BLOCKS`; `kdcl_tf.students.names` checks it.
        num_classes: length of the logits.
        layers: makes the layers.

    Returns:
        Six functions, `[B, H, W, channels]` -> ... -> `[B, num_classes]`.
    """
    block = bottleneck if depth >= 50 else basic_block
    stages = [
        partial(stage, layers=layers, block=block, number=number, filters=filters, blocks=blocks)
        for number, filters, blocks in zip(range(1, 5), FILTERS, BLOCKS[depth])
    ]
    last = partial(head, layers=layers, num_classes=num_classes)
    return [partial(stem, layers=layers), *stages, last]


def stem(x: keras.KerasTensor, prefix: str = "", *, layers: Layers) -> keras.KerasTensor:
    """Images `[B, H, W, channels]` -> features `[B, H / 4, W / 4, 64]`."""
    x = layers.convolution(x, FILTERS[0], 7, 2, f"{prefix}stem_conv")
    x = layers.batch_norm(x, f"{prefix}stem_norm")
    x = layers.relu(x, f"{prefix}stem_relu")
    return layers.max_pool(x, f"{prefix}stem_pool")


def stage(
    x: keras.KerasTensor,
    prefix: str = "",
    *,
    layers: Layers,
    block: Callable[..., keras.KerasTensor],
    number: int,
    filters: int,
    blocks: int,
) -> keras.KerasTensor:
    """`blocks` blocks; `[B, H, W, C]` -> `[B, H / 2, W / 2, C']`, or H, W in stage 1."""
    for index in range(1, blocks + 1):
        strides = 2 if number > 1 and index == 1 else 1
        name = f"{prefix}stage{number}_block{index}"
        x = block(x, layers, filters=filters, strides=strides, name=name)
    return x


def basic_block(
    x: keras.KerasTensor, layers: Layers, *, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """3x3 and 3x3; `[B, H, W, C]` -> `[B, H / strides, W / strides, filters]`."""
    y = layers.convolution(x, filters, 3, strides, f"{name}_conv1")
    y = layers.batch_norm(y, f"{name}_norm1")
    y = layers.relu(y, f"{name}_relu1")
    y = layers.convolution(y, filters, 3, 1, f"{name}_conv2")
    y = layers.batch_norm(y, f"{name}_norm2")
    y = layers.add(y, _shortcut(x, layers, filters, strides, name), f"{name}_add")
    return layers.relu(y, f"{name}_relu2")


def bottleneck(
    x: keras.KerasTensor, layers: Layers, *, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """1x1, 3x3 and 1x1; `[B, H, W, C]` -> `[B, H / strides, W / strides, 4 * filters]`."""
    y = layers.convolution(x, filters, 1, 1, f"{name}_conv1")
    y = layers.batch_norm(y, f"{name}_norm1")
    y = layers.relu(y, f"{name}_relu1")
    y = layers.convolution(y, filters, 3, strides, f"{name}_conv2")
    y = layers.batch_norm(y, f"{name}_norm2")
    y = layers.relu(y, f"{name}_relu2")
    y = layers.convolution(y, 4 * filters, 1, 1, f"{name}_conv3")
    y = layers.batch_norm(y, f"{name}_norm3")
    y = layers.add(y, _shortcut(x, layers, 4 * filters, strides, name), f"{name}_add")
    return layers.relu(y, f"{name}_relu3")


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
