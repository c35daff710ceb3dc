"""The layers that the students are built of, with their shared settings."""

from __future__ import annotations

import dataclasses
import math

import keras

from kdcl_tf.students.normalization import FusedBatchNormalization


@dataclasses.dataclass(frozen=True)
class Layers:
    """Makes named layers and applies them, all with the same two settings.

    Attributes:
        synchronized: batch statistics are those of all replicas together.
        dtype: dtype policy of the layers (name or `keras.DTypePolicy`); None is
            the global one.

    No layer has a regularizer: weight decay belongs to the optimizer.
    """

    synchronized: bool = False
    dtype: object = None

    def convolution(
        self, x: keras.KerasTensor, filters: int, size: int, strides: int, name: str
    ) -> keras.KerasTensor:
        """`[B, H, W, C]` -> `[B, ⌈H / strides⌉, ⌈W / strides⌉, filters]`, no bias.

        Padded by size // 2 on every side (size is odd), as PyTorch's `padding=size // 2`
        does, so that weights trained there fit. TensorFlow's "same" would pad an even
        image at its end alone: a 3x3 kernel with stride 2 is then centred on pixels
        2i + 1, and its block's 1x1 shortcut on pixels 2i.

        Initial weights are He's normal ones for the backward pass (fan-out).
        """
        if strides > 1 and size > 1:
            x, padding = self._surround(x, size // 2, name), "valid"
        else:
            padding = "same"  # The same as above, without a layer of its own.
        # A new initializer for every layer: one object without a seed gives the
        # same numbers to every layer of one shape.
        initializer = keras.initializers.VarianceScaling(
            scale=2.0, mode="fan_out", distribution="untruncated_normal"
        )
        return keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            use_bias=False,
            kernel_initializer=initializer,
            dtype=self.dtype,
            name=name,
        )(x)

    def depthwise(self, x: keras.KerasTensor, strides: int, name: str) -> keras.KerasTensor:
        """3x3, padded by 1: `[B, H, W, C]` -> `[B, ⌈H / strides⌉, ⌈W / strides⌉, C]`.

        Initial weights have the variance 2 / (9 C), as PyTorch's fan-out counts and
        as MobileNets are trained there; He's derivation would give 2 / 9. Under
        batch norm the difference is one of the effective learning rate only.
        """
        if strides > 1:
            x = self._surround(x, 1, name)
        return keras.layers.DepthwiseConv2D(
            3,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            use_bias=False,
            depthwise_initializer=keras.initializers.RandomNormal(
                stddev=math.sqrt(2.0 / (9 * x.shape[-1]))
            ),
            dtype=self.dtype,
            name=name,
        )(x)

    def max_pool(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """`[B, H, W, C]` -> `[B, ⌈H / 2⌉, ⌈W / 2⌉, C]`: 3x3, stride 2, padded by 1.

        Padding is zeros, which are no maximum's rival after a ReLU.
        """
        x = self._surround(x, 1, name)
        return keras.layers.MaxPooling2D(3, strides=2, dtype=self.dtype, name=name)(x)

    def batch_norm(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Batch normalization over the last axis, momentum 0.9, epsilon 1e-5."""
        return FusedBatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            synchronized=self.synchronized,
            dtype=self.dtype,
            name=name,
        )(x)

    def relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """max(x, 0)."""
        return keras.layers.ReLU(dtype=self.dtype, name=name)(x)

    def relu6(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """min(max(x, 0), 6)."""
        return keras.layers.ReLU(max_value=6.0, dtype=self.dtype, name=name)(x)

    def add(
        self, x: keras.KerasTensor, shortcut: keras.KerasTensor, name: str
    ) -> keras.KerasTensor:
        """x + shortcut, two tensors of one shape."""
        return keras.layers.Add(dtype=self.dtype, name=name)([x, shortcut])

    def logits(self, x: keras.KerasTensor, num_classes: int, prefix: str = "") -> keras.KerasTensor:
        """`[B, H, W, C]` -> global average -> `[B, num_classes]` float32 logits.

        float32 whatever the policy: the average and the losses after it are
        where half precision costs accuracy and saves nothing.
        """
        x = keras.layers.GlobalAveragePooling2D(dtype="float32", name=f"{prefix}pool")(x)
        return keras.layers.Dense(num_classes, dtype="float32", name=f"{prefix}logits")(x)

    def _surround(self, x, border, name):
        return keras.layers.ZeroPadding2D(border, dtype=self.dtype, name=f"{name}_pad")(x)
