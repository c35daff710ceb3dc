"""scikit-learn's handwritten digits: 1,797 scans of 8x8, in the package."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kdcl_tf.data import decoding, storage, subsets
from kdcl_tf.data.sources import source as source_lib

# One in five of the 174 to 183 scans of each digit.
TEST_PER_CLASS = 36
DEFAULT_SIZE = 32
_BRIGHTEST = 16.0


def index(image_size: int = 0) -> source_lib.Source:
    """Reads the digits and splits them, always the same way.

    The scans have no official test set: 36 of each digit are taken by the fixed
    permutation of `subsets`. A mirrored digit is no longer that digit, so they
    are never flipped.

    Args:
      image_size: height and width; 0 is 32.

    Returns:
      1,437 training and 360 test images, `storage.Pixels` of `[N, size, size, 3]`.

    Raises:
      ModuleNotFoundError: when scikit-learn is not installed.
    """
    scans, labels = _scans()
    size = image_size or DEFAULT_SIZE
    with tf.device("CPU:0"):
        grey = scans[..., None] * (255.0 / _BRIGHTEST)
        images = decoding.resized(tf.constant(grey), size, size).numpy()
    pixels = np.repeat(images, 3, axis=-1)
    numbered = storage.Numbered("digits", np.arange(len(pixels)))
    everything = source_lib.Labelled(storage.Pixels(pixels, numbered), labels)
    test, train = subsets.held_out_and_train(labels, 10, TEST_PER_CLASS)
    return source_lib.Source(
        train=everything.take(train),
        test=everything.take(test),
        class_names=tuple(str(digit) for digit in range(10)),
        flip=False,
        size=(size, size),
    )


def _scans() -> tuple[np.ndarray, np.ndarray]:
    """(`[1797, 8, 8]` float32 in 0..16, `[1797]` int64)."""
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "data set 'digits' comes with scikit-learn, which is not installed:"
            " pip install scikit-learn"
        ) from error
    bunch = datasets.load_digits()
    return bunch.images.astype(np.float32), bunch.target.astype(np.int64)
