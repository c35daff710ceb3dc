"""Training steps on random images, to be timed."""

from collections.abc import Callable

import keras
import tensorflow as tf

import kdcl_tf
from benchmarking.options import Options
from kdcl_tf.students.normalization import FusedBatchNormalization
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.settings import POLICIES


def students(options: Options) -> dict[str, keras.Model]:
    """Fresh students of the architectures in the options, `{name: model}`."""
    shape = (options.image_size, options.image_size, 3)
    return {
        f"{index}_{name}": kdcl_tf.students.build(
            name, options.num_classes, shape,
            dtype=POLICIES[options.precision], model_name=f"{name}_{index}",
        )
        for index, name in enumerate(options.students)
    }  # fmt: skip


def with_stock_batch_norm(student: keras.Model) -> keras.Model:
    """The same network, with Keras's own batch normalisation."""

    def clone(layer):
        if isinstance(layer, FusedBatchNormalization):
            return keras.layers.BatchNormalization.from_config(layer.get_config())
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(student, clone_function=clone)


def step_of(cohort: kdcl_tf.Cohort, options: Options) -> Callable[[], None]:
    """A function that runs `options.steps` training steps and waits for them."""
    cohort.compile(CoupledSGD(0.01, momentum=0.9, coupled_weight_decay=5e-4))
    shape = (options.batch_size, *next(iter(cohort.students.values())).input_shape[1:])
    views = {name: tf.random.normal(shape) for name in cohort.students}
    labels = tf.random.uniform([options.batch_size], maxval=options.num_classes, dtype=tf.int64)
    step = tf.function(cohort.train_step)

    def run():
        for _ in range(options.steps):
            logs = step((views, labels))
        logs["loss"].numpy()

    return run
