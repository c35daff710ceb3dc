"""The heads: small networks that predict for every position, and for every region."""

from __future__ import annotations

import keras

_HIDDEN = 1024
_MASK_LAYERS = 4


def proposal_head(channels: int, anchors: int, dtype: str | None = None) -> keras.Model:
    """The head of the region proposal network, shared by all levels.

    Args:
      channels: C of a level.
      anchors: K at each position.
      dtype: dtype policy; the predictions are float32 under any.

    Returns:
      A `keras.Model`, `[B, H, W, C]` -> (`[B, H, W, K]` logits of being an object, `[B, H, W,
      4 K]` codes of `boxes.encode`).

    Source: Ren et al., "Faster R-CNN", 2015, section 3.1.
    """
    features = keras.Input([None, None, channels], name="features")
    x = _convolution(channels, 3, _normal(0.01), "conv", dtype)(features)
    objects = keras.layers.Conv2D(
        anchors, 1, kernel_initializer=_normal(0.01), dtype="float32", name="objectness"
    )(x)
    codes = keras.layers.Conv2D(
        4 * anchors, 1, kernel_initializer=_normal(0.01), dtype="float32", name="codes"
    )(x)
    return keras.Model(features, (objects, codes), name="proposal_head")


def box_head(channels: int, num_classes: int, size: int, dtype: str | None = None) -> keras.Model:
    """Two dense layers that predict a region's class, and its exact box.

    Args:
      channels: C of the regions' features.
      num_classes: number of classes, without the background.
      size: bins a side of the regions' features.
      dtype: as in `proposal_head`.

    Returns:
      A `keras.Model`, `[N, size, size, C]` -> (`[N, num_classes + 1]` logits, background last;
      `[N, num_classes, 4]` codes, a box for each class).

    Source: Lin et al., "Feature Pyramid Networks", CVPR 2017, section 4.2.
    """
    x = regions = keras.Input([size, size, channels], name="regions")
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(x)
    for number in (1, 2):
        x = keras.layers.Dense(
            _HIDDEN, "relu", kernel_initializer=_uniform(), dtype=dtype, name=f"dense{number}"
        )(x)
    logits = keras.layers.Dense(
        num_classes + 1, kernel_initializer=_normal(0.01), dtype="float32", name="classes"
    )(x)
    codes = keras.layers.Dense(
        4 * num_classes, kernel_initializer=_normal(0.001), dtype="float32", name="codes"
    )(x)
    codes = keras.layers.Reshape([num_classes, 4], dtype="float32", name="codes_by_class")(codes)
    return keras.Model(regions, (logits, codes), name="box_head")


def mask_head(channels: int, num_classes: int, size: int, dtype: str | None = None) -> keras.Model:
    """A small fully convolutional network that draws the outline of a region's object.

    Args:
      channels, num_classes, size, dtype: as in `box_head`.

    Returns:
      A `keras.Model`, `[N, size, size, C]` -> `[N, 2 size, 2 size, num_classes]` logits.

    Source: He et al., "Mask R-CNN", ICCV 2017, figure 4, right.
    """
    x = regions = keras.Input([size, size, channels], name="regions")
    for number in range(1, _MASK_LAYERS + 1):
        x = _convolution(channels, 3, _he(), f"conv{number}", dtype)(x)
    x = keras.layers.Conv2DTranspose(
        channels,
        2,
        strides=2,
        activation="relu",
        kernel_initializer=_he(),
        dtype=dtype,
        name="upsample",
    )(x)
    logits = keras.layers.Conv2D(
        num_classes, 1, kernel_initializer=_normal(0.001), dtype="float32", name="masks"
    )(x)
    return keras.Model(regions, logits, name="mask_head")


def _convolution(filters, size, initializer, name, dtype):
    return keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        activation="relu",
        kernel_initializer=initializer,
        dtype=dtype,
        name=name,
    )


def _normal(deviation):
    return keras.initializers.RandomNormal(stddev=deviation)


def _uniform():
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform")


def _he():
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
