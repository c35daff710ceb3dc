"""RoIAlign: features of fixed size for boxes of any size, without rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

# Samples a bin and axis.
SAMPLING_RATIO = 2

# A box of an ImageNet image, 224 pixels, belongs to stride 16.
_CANONICAL_SIDE, _CANONICAL_STRIDE = 224.0, 16.0


def roi_align(
    features: tf.Tensor,
    boxes: tf.Tensor,
    images: tf.Tensor,
    stride: int,
    size: int,
    sampling_ratio: int = SAMPLING_RATIO,
    aligned: bool = True,
) -> tf.Tensor:
    """Averages of bilinear samples in each of `size` x `size` bins of every box.

    Args:
      features: `[B, H, W, C]` of one level.
      boxes: `[N, 4]` in pixels of the image.
      images: `[N]` int32, the image of each box.
      stride: pixels of the image between two features.
      size: bins a side.
      sampling_ratio: samples a bin and axis, evenly spaced.
      aligned: a feature stands for the centre of its pixels, so that the box is shifted by
        half a feature.  Without, as in the paper's first code, a box is also at least one
        feature wide and high.

    Returns:
      `[N, size, size, C]` float32.  A sample more than one feature outside is 0, one that is
      less takes the border's value.

    Source: He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    first = tf.zeros_like(images)
    return _align([features], [stride], first, boxes, images, size, sampling_ratio, aligned)


def pyramid_align(
    pyramid: Mapping[int, tf.Tensor], boxes: tf.Tensor, images: tf.Tensor, size: int
) -> tf.Tensor:
    """`roi_align` with each box on the level of its size.

    Args:
      pyramid: `{stride: [B, H, W, C]}`.
      boxes, images, size: as in `roi_align`, N >= 1.

    Returns:
      `[N, size, size, C]` float32, in the order of the boxes.
    """
    strides = sorted(pyramid)
    numbers = tf.searchsorted(strides, strides_of(boxes, strides))
    levels = [pyramid[stride] for stride in strides]
    return _align(levels, strides, numbers, boxes, images, size, SAMPLING_RATIO, aligned=True)


def strides_of(boxes: tf.Tensor, strides: Sequence[int]) -> tf.Tensor:
    """The stride of each box's level.

    Args:
      boxes: `[N, 4]`.
      strides: of the levels there are, powers of two in rising order.

    Returns:
      `[N]` int32: 16 for a box of 224 x 224, half of it for a quarter of that area, and so
      on, within the levels there are.

    Source: Lin et al., "Feature Pyramid Networks", CVPR 2017, Eq. 1.
    """
    side = tf.sqrt(tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=-1))
    # The 1e-6 keeps a side of exactly 112 on its level however the logarithm rounds.
    doublings = tf.floor(tf.math.log(side / _CANONICAL_SIDE + 1e-8) / tf.math.log(2.0) + 1e-6)
    own = _CANONICAL_STRIDE * 2.0**doublings
    return tf.cast(tf.clip_by_value(own, strides[0], strides[-1]), tf.int32)


def _align(levels, strides, numbers, boxes, images, size, sampling_ratio, aligned):
    """`roi_align` of boxes on the levels of their `numbers`.

    Each bin is a weighted sum of some features, so that all bins are a sparse matrix times the
    features of all levels.  That gathers no copies of features, which would take sixteen times
    their memory, and its gradient is the product with the transposed matrix.  The gradient of
    `tf.image.crop_and_resize` is wrong on CPUs, where its threads overwrite each other's sums.
    """
    channels = levels[0].shape[-1]
    shapes = tf.stack([tf.shape(level)[1:3] for level in levels])
    areas = tf.reduce_prod(shapes, axis=1)
    starts = tf.cumsum(tf.shape(levels[0])[0] * areas, exclusive=True)
    height, width = tf.unstack(tf.gather(shapes, numbers), axis=-1)
    corners, ends = _in_features(boxes, tf.gather(strides, numbers), aligned)
    rows, of_rows = _samples(corners[:, 1], ends[:, 1], height, size, sampling_ratio)
    columns, of_columns = _samples(corners[:, 0], ends[:, 0], width, size, sampling_ratio)
    origin = tf.gather(starts, numbers) + images * tf.gather(areas, numbers)
    # By box, row and column of the bin, row and column of the feature.
    cells = rows[:, :, None, :, None] * width[:, None, None, None, None]
    cells += columns[:, None, :, None, :] + origin[:, None, None, None, None]
    weights = of_rows[:, :, None, :, None] * of_columns[:, None, :, None, :]
    flat = [tf.reshape(tf.cast(level, tf.float32), [-1, channels]) for level in levels]
    bins = _weighted_sums(cells, weights, tf.concat(flat, axis=0))
    return tf.reshape(bins, [-1, size, size, channels])


def _in_features(boxes, strides, aligned):
    """Corners and ends `[N, 2]` of boxes, counted in features of their level."""
    corners, ends = tf.split(boxes / tf.cast(strides, boxes.dtype)[:, None], 2, axis=-1)
    if aligned:
        return corners - 0.5, ends - 0.5
    return corners, corners + tf.maximum(ends - corners, 1.0)


def _samples(start, end, length, size, sampling_ratio):
    """The features that the bins of an axis are made of.

    Args:
      start, end: `[N]`, of the boxes, in features.
      length: `[N]` int32, features there are.

    Returns:
      `(positions, weights)`, both `[N, size, 2 * sampling_ratio]`, int32 and float32.
    """
    count = size * sampling_ratio
    steps = (tf.range(count, dtype=tf.float32) + 0.5) / count
    places = start[:, None] + (end - start)[:, None] * steps
    last = tf.cast(length, tf.float32)[:, None] - 1.0
    is_inside = (places >= -1.0) & (places <= last + 1.0)
    places = tf.clip_by_value(places, 0.0, last)
    low = tf.floor(places)
    positions = tf.stack([low, tf.minimum(low + 1.0, last)], axis=-1)
    weights = tf.stack([1.0 - (places - low), places - low], axis=-1)
    weights = tf.where(is_inside[..., None], weights / sampling_ratio, 0.0)
    shape = [-1, size, 2 * sampling_ratio]
    return tf.reshape(tf.cast(positions, tf.int32), shape), tf.reshape(weights, shape)


def _weighted_sums(cells, weights, features):
    """`[bins, C]` sums of features.

    Args:
      cells: `[N, size, size, ...]` int32, positions in `features`.
      weights: of the same shape.
      features: `[cells, C]` float32.
    """
    bins = tf.reduce_prod(tf.shape(cells)[:3])
    each = tf.size(cells) // tf.maximum(bins, 1)
    rows = tf.repeat(tf.range(bins), each)
    places = tf.stack([rows, tf.reshape(cells, [-1])], axis=-1)
    shape = tf.stack([bins, tf.shape(features)[0]])
    matrix = tf.SparseTensor(
        tf.cast(places, tf.int64), tf.reshape(weights, [-1]), tf.cast(shape, tf.int64)
    )
    return tf.sparse.sparse_dense_matmul(matrix, features)
