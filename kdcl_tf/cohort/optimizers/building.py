"""Building the optimizers of a cohort, which Keras would build when training begins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import keras

from kdcl_tf.cohort.optimizers import averages, checks, clipping
from kdcl_tf.cohort.optimizers.parts import accept_fewer, copy_weights, pass_on_exclusions
from kdcl_tf.cohort.optimizers.student_optimizers import StudentOptimizers

__all__ = ["all_of", "begin", "build"]


def build(
    optimizer: keras.optimizers.Optimizer,
    students: Mapping[str, keras.Model],
    groups: Sequence[tuple[keras.optimizers.Optimizer, Sequence[keras.Variable]]],
) -> None:
    """Builds each optimizer, and fits it to steps of students on several replicas.

    Args:
      optimizer: as `preparation.prepare` gives it; what is built already stays as it is.
      students: `{name: student}`.
      groups: `[(optimizer, variables that it trains)]`, without those that train none.

    Raises:
      ValueError: when one was built before on other variables.
    """
    is_several = isinstance(optimizer, StudentOptimizers)
    if is_several:
        optimizer.build([each.trainable_variables for each in students.values()])
    for each, variables in groups:
        # Once: a `LossScaleOptimizer` would begin its scale anew.
        if not is_several and not each.built:
            each.build(variables)
            each.built = True  # As Keras does, whatever an optimizer's own `build` says.
        checks.check_known(each, variables)
    for each in all_of(optimizer):
        accept_fewer(each)
        pass_on_exclusions(each)
        averages.keep_with_variables(each)
        averages.begin(each)
        clipping.clip_sum_of_replicas(each)


def begin(optimizer: keras.optimizers.Optimizer) -> None:
    """Tells the optimizers the weights of now, which may have been set since they were built.

    Args:
      optimizer: as of `build`.
    """
    for each in all_of(optimizer):
        copy_weights(each)
        averages.begin(each)


def all_of(optimizer: keras.optimizers.Optimizer) -> Collection[keras.optimizers.Optimizer]:
    """The optimizers of all students, of frozen ones too, which may have been built before.

    Args:
      optimizer: as of `build`.
    """
    is_several = isinstance(optimizer, StudentOptimizers)
    return optimizer.by_student.values() if is_several else (optimizer,)
