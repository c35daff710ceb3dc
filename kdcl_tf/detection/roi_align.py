"""RoIAlign: features of fixed size for boxes of any size, without rounding."""

import tensorflow as tf

# Samples a bin and axis.
SAMPLING_RATIO = 2

# A box of an ImageNet image, 224 pixels, belongs to stride 16.
_CANONICAL_SIDE, _CANONICAL_STRIDE = 224.0, 16.0


def roi_align(features, boxes, images, stride, size, sampling_ratio=SAMPLING_RATIO, aligned=True):
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
    samples = _samples(features, boxes, images, stride, size, sampling_ratio, aligned)
    return _average(samples, size, sampling_ratio)


def pyramid_align(pyramid, boxes, images, size):
    """`roi_align` with each box on the level of its size.

    Args:
      pyramid: `{stride: [B, H, W, C]}`.
      boxes, images, size: as in `roi_align`, N >= 1.

    Returns:
      `[N, size, size, C]` float32, in the order of the boxes.
    """
    strides = strides_of(boxes, sorted(pyramid))
    order, parts = [], []
    for stride, features in pyramid.items():
        chosen = tf.where(strides == stride)[:, 0]
        own = tf.gather(boxes, chosen), tf.gather(images, chosen)
        parts.append(_samples(features, *own, stride, size, SAMPLING_RATIO, aligned=True))
        order.append(chosen)
    back = tf.math.invert_permutation(tf.concat(order, axis=0))
    # One average of all levels: pooling kernels for CPUs fail on a level without boxes.
    return tf.gather(_average(tf.concat(parts, axis=0), size, SAMPLING_RATIO), back)


def strides_of(boxes, strides):
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
    # The small number keeps exactly 112 on its level whatever the logarithm rounds to.
    doublings = tf.floor(tf.math.log(side / _CANONICAL_SIDE + 1e-8) / tf.math.log(2.0) + 1e-6)
    wanted = _CANONICAL_STRIDE * 2.0**doublings
    return tf.cast(tf.clip_by_value(wanted, strides[0], strides[-1]), tf.int32)


def _samples(features, boxes, images, stride, size, sampling_ratio, aligned):
    """`[N, size * ratio, size * ratio, C]` bilinear samples."""
    corners, ends = tf.split(boxes / tf.cast(stride, boxes.dtype), 2, axis=-1)
    if aligned:
        corners, ends = corners - 0.5, ends - 0.5
    else:
        ends = corners + tf.maximum(ends - corners, 1.0)
    count = size * sampling_ratio
    step = (ends - corners) / count
    first = corners + 0.5 * step
    last = first + (count - 1) * step
    # `crop_and_resize` is 0 outside of its image: one more row around lets samples up to one
    # feature outside find the border's value.
    features = tf.pad(tf.cast(features, tf.float32), [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    return _crop(features, first + 1.0, last + 1.0, images, count)


def _crop(features, first, last, images, count):
    """`crop_and_resize` between the places of the first and of the last sample, `[N, 2]` x, y.

    Its own gradient for CPUs loses some of what two threads add to a feature at once, another
    part in every run.
    """

    @tf.custom_gradient
    def crop(features):
        shape = tf.shape(features)
        limits = tf.cast(shape[1:3] - 1, tf.float32)
        windows = tf.concat([first[:, ::-1] / limits, last[:, ::-1] / limits], axis=-1)
        samples = tf.image.crop_and_resize(features, windows, images, [count, count])
        places = tf.linspace(first, last, count, axis=1)
        return samples, lambda gradient: _spread(gradient, places, images, shape)

    return crop(features)


def _spread(gradient, places, images, shape):
    """The gradient of features from that of samples: each adds to the four features around it.

    Args:
      gradient: `[N, S, S, C]`.
      places: `[N, S, 2]`, x of the columns and y of the rows of a box's samples.
      images: `[N]`.
      shape: of the features.
    """
    batch, height, width, channels = tf.unstack(shape)
    total = tf.zeros([batch * height * width, channels])
    for row, row_weight in _neighbours(places[:, :, None, 1], height):
        for column, column_weight in _neighbours(places[:, None, :, 0], width):
            positions = (images[:, None, None] * height + row) * width + column
            part = gradient * (row_weight * column_weight)[..., None]
            total += tf.math.unsorted_segment_sum(part, positions, batch * height * width)
    return tf.reshape(total, shape)


def _neighbours(places, length):
    """The two features beside each place of an axis, and the weights of a sample there."""
    end = tf.cast(length - 1, tf.float32)
    below = tf.floor(tf.clip_by_value(places, 0.0, end))
    part = places - below
    inside = tf.cast((places >= 0.0) & (places <= end), tf.float32)
    below = tf.cast(below, tf.int32)
    return (below, inside * (1.0 - part)), (tf.minimum(below + 1, length - 1), inside * part)


def _average(samples, size, sampling_ratio):
    pooled = tf.nn.avg_pool2d(samples, sampling_ratio, sampling_ratio, "VALID")
    return tf.ensure_shape(pooled, [None, size, size, samples.shape[-1]])
