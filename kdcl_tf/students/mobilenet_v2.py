"""MobileNetV2 of Sandler et al., "Inverted Residuals and Linear Bottlenecks", CVPR 2018.

A 3x3 convolution with stride 2 and 17 blocks; a 1x1 convolution to 1280
channels, a global average, a dense layer. A block widens its input by a 1x1
convolution (not the first block), filters every channel by a 3x3 depthwise one,
both with relu6, and projects by a 1x1 without; its input is added where the
shape is the same. Every convolution has its batch norm.

A width multiplies the channels, which are then rounded to a multiple of 8; the
1280 only grow with it. What belongs to one resolution is a stage here, so that
strides are those of the ResNets: 4, 8, 16 and 32 after stages 1 to 4. The
paper's rows 1 and 2, with stride 2, are the stem.

torchvision drops 0.2 of the last features while training; here nothing is
dropped, of which the distillation paper says nothing either: it would make the
soft target noisier, which the other students learn from, and the mask is the
same on every replica.

| 1000 classes | trainable parameters | multiply-adds at 224 pixels |
|---|---|---|
| mobilenet_v2_0.5 | 1,968,680 | 0.097e9 |
| mobilenet_v2 | 3,504,872 | 0.301e9 |
| mobilenet_v2_1.2 | 4,725,992 | 0.465e9 |
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kdcl_tf.students.layers import Layers

if TYPE_CHECKING:
    import keras

STEM_FILTERS = (32, 16)  # of the convolution and of the block after it
HEAD_FILTERS = 1280
EXPANSION = 6
# Filters of every block of stages 1 to 4; each stage begins with stride 2.
STAGES = (
    (24,) * 2,
    (32,) * 3,
    (64,) * 4 + (96,) * 3,
    (160,) * 3 + (320,),
)


def parts(width: float, num_classes: int, layers: Layers) -> list:
    """The network in the order it runs: stem, stages 1 to 4, head.

    Each part is a function `part(x, prefix="") -> x`, as in `cifar_resnet.parts`.

    Args:
        width: above 0; `kdcl_tf.students.names` checks it.
        num_classes: length of the logits.
        layers: makes the layers.

    Returns:
        Six functions, `[B, H, W, channels]` -> ... -> `[B, num_classes]`.
    """
    first, second = (rounded(filters * width) for filters in STEM_FILTERS)
    stages = [
        partial(stage, layers=layers, number=number, filters=[rounded(f * width) for f in filters])
        for number, filters in enumerate(STAGES, start=1)
    ]
    features = rounded(HEAD_FILTERS * max(1.0, width))
    last = partial(head, layers=layers, filters=features, num_classes=num_classes)
    return [partial(stem, layers=layers, filters=first, block_filters=second), *stages, last]


def rounded(filters: float) -> int:
    """The nearest multiple of 8, at least 8 and not below nine tenths of `filters`.

    Halves are rounded up; where the nearest loses more than a tenth, the next larger
    one. The rule of the authors' code.
    """
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * filters else nearest + 8


def stem(
    x: keras.KerasTensor, prefix: str = "", *, layers: Layers, filters: int, block_filters: int
) -> keras.KerasTensor:
    """Images `[B, H, W, channels]` -> features `[B, H / 2, W / 2, block_filters]`."""
    x = layers.convolution(x, filters, 3, 2, f"{prefix}stem_conv")
    x = layers.batch_norm(x, f"{prefix}stem_norm")
    x = layers.relu6(x, f"{prefix}stem_relu")
    name = f"{prefix}stem_block"
    return block(x, layers, expansion=1, filters=block_filters, strides=1, name=name)


def stage(
    x: keras.KerasTensor, prefix: str = "", *, layers: Layers, number: int, filters: list
) -> keras.KerasTensor:
    """A block for each of `filters`; `[B, H, W, C]` -> `[B, H / 2, W / 2, filters[-1]]`."""
    for index, each in enumerate(filters, start=1):
        strides = 2 if index == 1 else 1
        name = f"{prefix}stage{number}_block{index}"
        x = block(x, layers, expansion=EXPANSION, filters=each, strides=strides, name=name)
    return x


def block(
    x: keras.KerasTensor, layers: Layers, *, expansion: int, filters: int, strides: int, name: str
) -> keras.KerasTensor:
    """An inverted residual; `[B, H, W, C]` -> `[B, H / strides, W / strides, filters]`."""
    y = x
    if expansion > 1:
        y = layers.convolution(y, expansion * x.shape[-1], 1, 1, f"{name}_expand_conv")
        y = layers.batch_norm(y, f"{name}_expand_norm")
        y = layers.relu6(y, f"{name}_expand_relu")
    y = layers.depthwise(y, strides, f"{name}_depthwise_conv")
    y = layers.batch_norm(y, f"{name}_depthwise_norm")
    y = layers.relu6(y, f"{name}_depthwise_relu")
    y = layers.convolution(y, filters, 1, 1, f"{name}_project_conv")
    y = layers.batch_norm(y, f"{name}_project_norm")
    if strides > 1 or x.shape[-1] != filters:
        return y
    return layers.add(y, x, f"{name}_add")


def head(
    x: keras.KerasTensor, prefix: str = "", *, layers: Layers, filters: int, num_classes: int
) -> keras.KerasTensor:
    """Features `[B, H, W, C]` -> logits `[B, num_classes]`."""
    x = layers.convolution(x, filters, 1, 1, f"{prefix}head_conv")
    x = layers.batch_norm(x, f"{prefix}head_norm")
    x = layers.relu6(x, f"{prefix}head_relu")
    return layers.logits(x, num_classes, prefix)
