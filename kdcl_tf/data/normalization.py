"""Normalisation: what is subtracted from the colours of images, and what they are divided by.

The views that students train on, evaluation and exported models all use this module.
Importing it imports neither NumPy nor TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

# A channel that never changes has deviation 0. One grey level is the smallest
# difference that uint8 can show, so nothing real is ever divided by less.
MINIMUM_DEVIATION = 1.0 / 255.0

LEVELS = 256

# Orders of the channels of normalised images, see `Normalization`.
KEPT, REVERSED = "RGB", "BGR"


def _numbers(name, given):
    try:
        return tuple(float(each) for each in given)
    except TypeError as error:
        raise ValueError(
            f"{name}: expected a number for each channel, such as (0.5,); got {given!r:.60}"
        ) from error


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Normalises each channel to mean 0 and deviation 1 over some set of images.

    Attributes:
      mean, deviation: one number a channel, or one for all, in units of 0..1, in the order of the
        images' channels; NumPy's become Python's.
      channels: "RGB" keeps the order of an image's channels, whatever they are; "BGR" gives
        the normalised ones the other way round.

    Raises:
      ValueError: for other channels, or what is no sequence of numbers.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    channels: str = KEPT

    def __post_init__(self):
        if self.channels not in (KEPT, REVERSED):
            raise ValueError(f"channels: expected {KEPT} or {REVERSED}; got {self.channels!r:.40}")
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Normalization:
        """What a card says under `mean` and `deviation`, and `channels` where it says so."""
        return cls(tuple(card["mean"]), tuple(card["deviation"]), card.get("channels", KEPT))

    def as_card(self) -> dict[str, Any]:
        """`{"mean": [...], "deviation": [...]}`, for a card; `json.dumps` accepts it.

        `channels` is in it where their order changes.
        """
        order = {} if self.channels == KEPT else {"channels": self.channels}
        return {"mean": list(self.mean), "deviation": list(self.deviation), **order}

    @classmethod
    def measured(cls, counts: np.ndarray) -> Normalization:
        """The mean and the deviation of pixels, from how often each grey level occurs.

        Args:
          counts: `[C, 256]` integers, see `grey_levels`; at least one pixel.

        Returns:
          Deviations are those of the population (divided by the number of pixels), and
          at least `MINIMUM_DEVIATION`.
        """
        import numpy as np

        frequency = counts / counts.sum(axis=1, keepdims=True)
        level = np.arange(LEVELS, dtype=np.float64) / 255.0
        mean = frequency @ level
        variance = (frequency * (level - mean[:, None]) ** 2).sum(axis=1)
        deviation = np.maximum(np.sqrt(variance), MINIMUM_DEVIATION)
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))

    def apply(self, images: Any) -> tf.Tensor:
        """Normalises images in 0..255.

        Args:
          images: `[..., C]` array or tensor of any numbers.

        Returns:
          float32 tensor of the same shape, `(images / 255 - mean) / deviation`, its channels in
          the order of `channels`.
        """
        import tensorflow as tf

        return self.apply_fractions(tf.cast(images, tf.float32) / 255.0)

    def apply_at_once(self, images: tf.Tensor) -> tf.Tensor:
        """As `apply` to float32 images, by one product and one sum, so that less is rounded."""
        deviation = _float32(self.deviation)
        product = images * (1.0 / (255.0 * deviation))
        return self._ordered(product - _float32(self.mean) / deviation)

    def apply_fractions(self, pixels: tf.Tensor) -> tf.Tensor:
        """Normalises images in 0..1: `[..., C]` float32 to the same."""
        return self._ordered((pixels - _float32(self.mean)) / _float32(self.deviation))

    def fractions(self, normalized: Any) -> tf.Tensor:
        """The images in 0..1 that normalised ones were made from: `[..., C]` to the same."""
        import tensorflow as tf

        ordered = self._ordered(tf.cast(normalized, tf.float32))
        return ordered * _float32(self.deviation) + _float32(self.mean)

    def after_colours(self, matrix: tf.Tensor, added: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A distortion of colours and then normalisation, as one product and one sum.

        Args:
          matrix, added: `[M, 3, 3]` and `[M, 3]`: a pixel x in 0..1, as a column, becomes
            `matrix @ x + added`.

        Returns:
          (`[M, 3, 3]`, `[M, 3]`): a pixel in 0..255, as a row, times the first, plus the
          second, is the normalised pixel.
        """
        import tensorflow as tf

        scale = 1.0 / _float32(self.deviation)
        matrix = tf.linalg.matrix_transpose(matrix) * (scale / 255.0)
        return self._ordered(matrix), self._ordered((added - _float32(self.mean)) * scale)

    def _ordered(self, pixels: tf.Tensor) -> tf.Tensor:
        """The last axis in the order of `channels`; a second time, as it was."""
        return pixels if self.channels == KEPT else pixels[..., ::-1]


# As every ImageNet recipe has it: a pass over 1.28 million images would find the same.
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# The modes of `keras.applications`: "tf" is -1..1; "caffe" is 0..255 less the mean colour, blue
# first; "torch" is what torchvision does, too.
MODES = {
    "tf": Normalization((0.5,) * 3, (0.5,) * 3),
    "caffe": Normalization(
        (123.68 / 255.0, 116.779 / 255.0, 103.939 / 255.0), (1.0 / 255.0,) * 3, REVERSED
    ),
    "torch": IMAGENET,
}


def grey_levels(images: np.ndarray) -> np.ndarray:
    """Counts how often each grey level occurs in each channel.

    Arithmetic on these counts is exact in float64, in whatever order the images are counted,
    and no float copy of the images is made.

    Args:
      images: `[N, H, W, C]` uint8.

    Returns:
      `[C, 256]` int64.
    """
    import numpy as np

    counts = np.zeros([images.shape[-1], LEVELS], np.int64)
    # bincount widens its input to int64, eight times the size: a chunk at a time.
    for start in range(0, len(images), 1024):
        for channel in range(images.shape[-1]):
            pixels = images[start : start + 1024, ..., channel]
            counts[channel] += np.bincount(pixels.ravel(), minlength=LEVELS)
    return counts


def _float32(numbers: Sequence[float]) -> tf.Tensor:
    import tensorflow as tf

    return tf.constant(numbers, tf.float32)
