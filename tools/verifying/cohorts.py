"""A cohort of each method, and its weights after a step."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import kdcl_tf
from kdcl_tf.data import Share
from kdcl_tf.objectives import names
from kdcl_tf.students.normalization import FusedBatchNormalization

METHODS = (
    *(f"KDCL {ensemble}" for ensemble in names.ENSEMBLES),
    "Independent",
    "MutualLearning",
    "OfflineDistillation",
    "ONE",
    "CLNN",
)
_SHAPE, _CLASSES = (8, 8, 3), 10
_COPIES = {"ONE": (3,), "CLNN": (2, 4)}
# A step that moves no weight by so much has trained nothing.
_LEAST_MOVE = 1e-3


def create(
    method: str, students: Callable[..., dict[str, keras.Model]], **options
) -> kdcl_tf.Cohort:
    """A compiled cohort.

    Args:
      method: one of `METHODS`.
      students: `networks` or `small_networks`.
      **options: of `compile`.
    """
    keras.utils.set_random_seed(0)
    members = students(_COPIES.get(method, ()))
    kind, _, ensemble = method.partition(" ")
    if kind == "KDCL":
        cohort = kdcl_tf.KDCL(members, ensemble=ensemble, temperature=2.0)
    elif kind == "OfflineDistillation":
        teacher = next(iter(students(()).values()))
        cohort = kdcl_tf.OfflineDistillation(members, teacher, temperature=2.0)
    else:
        cohort = getattr(kdcl_tf, kind)(members)
    if ensemble == "general":
        cohort.ensemble.student_weights.assign([0.3, 0.7])
    cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9), **options)
    return cohort


def networks(copies: tuple[int, ...], synchronized: bool = False) -> dict[str, keras.Model]:
    """Students by their names; with copies, branches of a network, see `build_branches`."""
    options = {"synchronized": synchronized}
    if copies:
        return kdcl_tf.students.build_branches(
            "resnet8", _CLASSES, _SHAPE, copies=copies, **options
        )
    return {
        name: kdcl_tf.students.build(name, _CLASSES, _SHAPE, model_name=name, **options)
        for name in ("resnet8", "wrn_10_1")
    }


def small_networks(copies: tuple[int, ...]) -> dict[str, keras.Model]:
    """Students of one convolution with synchronised batch norm, which branches share.

    Synchronised batch norm takes minutes to trace in deeper ones.
    """
    if copies:
        images, features = _features(6)
        return {
            f"branch_{index}": keras.Model(images, keras.layers.Dense(_CLASSES)(features))
            for index in range(copies[-1])
        }
    return {
        name: keras.Model(images, keras.layers.Dense(_CLASSES)(features))
        for name, (images, features) in (("narrow", _features(4)), ("wide", _features(6)))
    }


def _features(filters):
    images = keras.Input(_SHAPE)
    x = keras.layers.Conv2D(filters, 3, strides=2, use_bias=False)(images)
    x = FusedBatchNormalization(synchronized=True, momentum=0.9)(x)
    return images, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))


def copy(weights: kdcl_tf.Cohort, to: kdcl_tf.Cohort) -> None:
    """Gives a cohort the weights of another, made alike."""
    for variable, other in zip(to.variables, weights.variables, strict=True):
        variable.assign(other.numpy())


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of noise `[size, 8, 8, 3]` and their labels `[size]`."""
    rng = np.random.default_rng(size)
    return rng.normal(size=[size, *_SHAPE]).astype(np.float32), rng.integers(_CLASSES, size=size)


def step(cohort: kdcl_tf.Cohort, size: int) -> tf.types.experimental.ConcreteFunction:
    """One training step on all devices of the cohort's strategy, as `kdcl-train` takes it.

    Args:
      cohort: made under its strategy.
      size: images of the batch, split over the replicas by position.
    """
    strategy = cohort.distribute_strategy
    images, labels = batch(size)
    replicas = strategy.num_replicas_in_sync
    bounds = Share(replicas, 0, replicas).bounds(size, size)

    def part(context):
        begin, end = bounds[context.replica_id_in_sync_group]
        return tf.constant(images[begin:end]), tf.constant(labels[begin:end])

    parts = strategy.experimental_distribute_values_from_function(part)

    def run():
        strategy.run(cohort.train_step, args=(parts,))

    return tf.function(run, autograph=False).get_concrete_function()


def after_step(cohort: kdcl_tf.Cohort, size: int) -> list[np.ndarray]:
    """Everything that a step has changed or may have: weights, statistics, slots and metrics.

    Raises:
      RuntimeError: when the step has trained nothing.
    """
    before = [each.numpy() for each in cohort.trainable_variables]
    step(cohort, size)()
    move = difference([each.numpy() for each in cohort.trainable_variables], before)
    if not move > _LEAST_MOVE:
        raise RuntimeError(f"the step moved no weight by more than {move:.0e}")
    return [each.numpy() for each in (*cohort.variables, *cohort.optimizer.variables)]


def difference(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """The largest between two lists of arrays; NaN where one has any."""
    pairs = zip(found, wanted, strict=True)
    differences = [np.abs(np.float64(one) - other).max(initial=0.0) for one, other in pairs]
    # Not `max`, which passes over a NaN.
    return float(np.max(differences))
