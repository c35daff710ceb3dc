"""Students after a few steps on three easy classes, for tests of what is exported.

An untrained network with random statistics can make the int8 interpreter abort.
"""

import keras
import numpy as np

from kdcl_tf import students


def trained(name, side, channels, dtype, epochs):
    """A student after a few steps on three easy classes, so that its numbers are those of use."""
    keras.utils.set_random_seed(1)
    student = students.build(name, 3, (side, side, channels), dtype=dtype)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # To trace a graph of a large network takes longer than these steps.
    student.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss, run_eagerly=True)
    pixels, labels = images(96, side, channels)
    student.fit(pixels / 127.5 - 1.0, labels, batch_size=32, epochs=epochs, verbose=0)
    return student


def images(count, side, channels):
    """`(uint8 images, labels)`: the brighter half of an image tells its class."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, count)
    found = random.integers(0, 128, [count, side, side, channels])
    found[labels == 1, : side // 2] += 127
    found[labels == 2, :, : side // 2] += 127
    return found.astype(np.uint8), labels
