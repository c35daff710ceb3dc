"""Small cohorts on vectors, the fixtures of the tests of kdcl_tf.cohort."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods


@keras.saving.register_keras_serializable(package="cohort_test")
class Subclassed(keras.Model):
    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.normalization = keras.layers.BatchNormalization()
        self.logits = keras.layers.Dense(units)

    def call(self, inputs, training=False):
        return self.logits(self.normalization(inputs, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _initializer(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def make_student(units=4, size=5, classes=6, dropout=0.0, regularizer=None, dtype=None):
    return keras.Sequential(
        [
            keras.Input((size,)),
            keras.layers.Dense(units, "tanh", dtype=dtype, kernel_initializer=_initializer(units)),
            keras.layers.Dropout(dropout, seed=units, dtype=dtype),
            keras.layers.Dense(
                classes,
                dtype=dtype,
                kernel_initializer=_initializer(units + 1),
                kernel_regularizer=regularizer,
            ),
        ]
    )


def make_students(**kwargs):
    """Two students whose names are not in alphabetical order."""
    return {"z": make_student(4, **kwargs), "a": make_student(7, **kwargs)}


def make_branches(count=3, size=5, classes=6):
    """Students that share their lower layer, which a gate can average as it does images."""
    vectors = keras.Input((size,))
    x = keras.layers.Dense(4, "tanh", kernel_initializer=_initializer(0))(vectors)
    x = keras.layers.Reshape((1, 1, 4))(x)
    flat = keras.layers.Flatten()
    heads = [
        keras.layers.Dense(classes, kernel_initializer=_initializer(1 + head))
        for head in range(count)
    ]
    return {f"branch{head}": keras.Model(vectors, heads[head](flat(x))) for head in range(count)}


def make_data(examples=14, size=5, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, size]).astype(np.float32)
    return images, rng.integers(6, size=examples)


def compiled(method=methods.KDCL, students=None, optimizer=None, settings=None, **kwargs):
    """Eager where a graph would be traced for a few steps; `ExecutionTest` shows them equal."""
    cohort = method(students or make_students(), **(settings or {}))
    optimizer = optimizer or keras.optimizers.SGD(0.2, momentum=0.9)
    cohort.compile(optimizer, **{"run_eagerly": True, **kwargs})
    return cohort


def compiled_graph(*args, **kwargs):
    return compiled(*args, run_eagerly=False, **kwargs)


def fit(model, *data, **kwargs):
    kwargs = {"batch_size": 5, "epochs": 1, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(*(data or make_data()), **kwargs).history


def identity_student(classes=6):
    """Its logits are its inputs."""
    head = keras.layers.Dense(classes, use_bias=False, kernel_initializer="identity")
    return keras.Sequential([keras.Input((classes,)), head])


class CohortTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(1)

    def assert_same_weights(self, found, expected, atol=1e-6):
        found, expected = found.get_weights(), expected.get_weights()
        self.assertLen(found, len(expected))
        for each, wanted in zip(found, expected):
            self.assertAllClose(each, wanted, atol=atol)
