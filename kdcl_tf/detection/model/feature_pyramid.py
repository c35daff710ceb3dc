"""The feature pyramid: a backbone's levels, each joined with what those above it mean."""

from __future__ import annotations

import keras
import keras_cv

CHANNELS = 256

_NAME = "feature_pyramid"


def build(backbone: keras.Model, channels: int = CHANNELS, dtype: str | None = None) -> keras.Model:
    """Builds a feature pyramid on a backbone.

    Args:
      backbone: a functional `keras.Model`, images `[B, H, W, 3]` -> `{stride: [B, H / stride,
        W / stride, C]}`, strides powers of two that follow each other.
      channels: of every level of the pyramid.
      dtype: dtype policy of its layers.

    Returns:
      A functional `keras.Model`, images `[B, H, W, 3]`, H and W multiples of the last stride
      s -> `{stride: [B, H / stride, W / stride, channels]}` with one level more, of stride 2s.

    Raises:
      ValueError: for strides that do not follow each other.

    Source: Lin et al., "Feature Pyramid Networks", CVPR 2017, section 3; the last level is a
    subsampled one below it, as in section 4.1.
    """
    strides = strides_of(backbone)
    levels = {stride.bit_length() - 1: backbone.output[str(stride)] for stride in strides}
    pyramid = keras_cv.layers.FeaturePyramid(
        min(levels),
        max(levels),
        lateral_layers=_convolutions("lateral", levels, 1, channels, dtype),
        output_layers=_convolutions("output", levels, 3, channels, dtype),
        dtype=dtype,
        name=_NAME,
    )(levels)
    outputs = {str(2**level): features for level, features in pyramid.items()}
    last = keras.layers.MaxPooling2D(1, strides=2, padding="same", dtype=dtype, name="subsampled")
    outputs[str(2 * strides[-1])] = last(outputs[str(strides[-1])])
    return keras.Model(backbone.input, outputs, name="pyramid")


def strides_of(backbone: keras.Model) -> list[int]:
    """The strides of a backbone's levels, in rising order.

    Raises:
      ValueError: as `build`.
    """
    strides = sorted(int(stride) for stride in backbone.output)
    rising = [strides[0] << number for number in range(len(strides))]
    if strides != rising or strides[0].bit_count() != 1:
        raise ValueError(
            f"backbone {backbone.name!r}: expected levels at strides that are powers of two and "
            f"follow each other, such as 4, 8, 16, 32; got {strides}"
        )
    return strides


def backbone_of(pyramid: keras.Model) -> keras.Model:
    """The backbone that `build` was given for a pyramid: the same layers, as a `keras.Model`."""
    layer = pyramid.get_layer(_NAME)
    # A list, in the order of the levels, of the dict that the layer was called on.
    levels = zip(range(layer.min_level, layer.max_level + 1), keras.tree.flatten(layer.input))
    features = {str(2**level): tensor for level, tensor in levels}
    return keras.Model(pyramid.input, features, name="backbone")


def _convolutions(kind, levels, size, channels, dtype):
    """A convolution for each level."""
    return {
        level: keras.layers.Conv2D(
            channels,
            size,
            padding="same",
            # As the authors' code: uniform, with the variance of one over the fan-in.
            kernel_initializer=keras.initializers.VarianceScaling(1.0, "fan_in", "uniform"),
            dtype=dtype,
            name=f"{kind}_{level}",
        )
        for level in levels
    }
