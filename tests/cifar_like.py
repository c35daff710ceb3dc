"""Random images in the shape of CIFAR-100, for tests that only need the shape."""

import numpy as np

from kdcl_tf.data.dataset import ImageDataset, ImageSplit
from kdcl_tf.data.normalization import Normalization


def cifar_like(per_class=2, holdout_per_class=0):
    """An `ImageDataset` of 100 classes and 32 x 32 images, noise throughout."""
    rng = np.random.default_rng(0)

    def split(count):
        images = rng.integers(256, size=[100 * count, 32, 32, 3]).astype(np.uint8)
        return ImageSplit(images, np.repeat(np.arange(100), count))

    return ImageDataset(
        name="cifar_like",
        train=split(per_class),
        held_out=split(holdout_per_class),
        test=split(1),
        class_names=tuple(map(str, range(100))),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
        flip=True,
    )
