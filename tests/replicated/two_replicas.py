"""One strategy of two replicas, and cohorts that train on it and on one device."""

import functools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf.students.normalization import FusedBatchNormalization


@functools.cache
def strategy():
    # One for the whole run: a second one in a process can abort.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def dense_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(7, kernel_regularizer=keras.regularizers.L2(0.01)),
        ]
    )


def normalized_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            FusedBatchNormalization(synchronized=True, momentum=0.9),
            keras.layers.Flatten(),
            keras.layers.Dense(units, "tanh"),
            keras.layers.Dense(7),
        ]
    )


def convolutional_student(units):
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(units, 3, strides=2, use_bias=False),
            FusedBatchNormalization(synchronized=True, momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(7),
        ]
    )


# The last size leaves one of the replicas without an image.  oneDNN's convolution gives an
# empty batch the shape of its input, so the convolution goes without that size.
SIZES = {
    dense_student: (32, 28, 17, 1),
    normalized_student: (32, 28, 17, 1),
    convolutional_student: (32, 28, 17),
}


def cohort(make_student, method=kdcl_tf.KDCL, optimizer=None, **kwargs):
    keras.utils.set_random_seed(4)
    made = method({"z": make_student(4), "a": make_student(6)}, **kwargs)
    made.compile(optimizer or keras.optimizers.SGD(0.1, momentum=0.9))
    return made


def pair(*args, **kwargs):
    """The same cohort on one device and on two."""
    single = cohort(*args, **kwargs)
    with strategy().scope():
        return single, cohort(*args, **kwargs)


def data(examples):
    rng = np.random.default_rng(examples)
    images = rng.normal(size=[examples, 6, 6, 3]).astype(np.float32)
    return images, rng.integers(7, size=examples)


class ReplicasTestCase(tf.test.TestCase, parameterized.TestCase):
    def assert_same_weights(self, found, expected, message=None):
        for each, wanted in zip(found.variables, expected.variables, strict=True):
            self.assertAllClose(each.numpy(), wanted.numpy(), atol=1e-5, msg=message)
