"""The layers that the students are built of, with their shared settings."""

import dataclasses

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

    def convolution(self, x, filters: int, size: int, strides: int, name: str):
        """`[B, H, W, C]` -> `[B, ⌈H / strides⌉, ⌈W / strides⌉, filters]`, no bias.

        Padding is TensorFlow's "same". With stride 2 and an even input it adds
        its one row and column at the end, where PyTorch's `padding=1` adds them
        at the beginning: shapes and parameter counts are equal, but weights
        trained in PyTorch are off by a pixel in those layers.

        Initial weights are He's normal ones for the backward pass (fan-out).
        """
        # A new initializer for every layer: one object without a seed gives the
        # same numbers to every layer of one shape.
        initializer = keras.initializers.VarianceScaling(
            scale=2.0, mode="fan_out", distribution="untruncated_normal"
        )
        return keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=initializer,
            dtype=self.dtype,
            name=name,
        )(x)

    def batch_norm(self, x, name: str):
        """Batch normalization over the last axis, momentum 0.9, epsilon 1e-5."""
        return FusedBatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            synchronized=self.synchronized,
            dtype=self.dtype,
            name=name,
        )(x)

    def relu(self, x, name: str):
        """max(x, 0)."""
        return keras.layers.ReLU(dtype=self.dtype, name=name)(x)

    def add(self, x, shortcut, name: str):
        """x + shortcut, two tensors of one shape."""
        return keras.layers.Add(dtype=self.dtype, name=name)([x, shortcut])

    def logits(self, x, num_classes: int, prefix: str = ""):
        """`[B, H, W, C]` -> global average -> `[B, num_classes]` float32 logits.

        float32 whatever the policy: the average and the losses after it are
        where half precision costs accuracy and saves nothing.
        """
        x = keras.layers.GlobalAveragePooling2D(dtype="float32", name=f"{prefix}pool")(x)
        return keras.layers.Dense(num_classes, dtype="float32", name=f"{prefix}logits")(x)
