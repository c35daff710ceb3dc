"""The optimizers that a cohort trains with, from what its `compile` is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from kdcl_tf.cohort.optimizers import checks
from kdcl_tf.cohort.optimizers.loss_scales import with_loss_scale
from kdcl_tf.cohort.optimizers.parts import clips_by_global_norm, parts
from kdcl_tf.cohort.optimizers.student_optimizers import StudentOptimizers

__all__ = ["by_student", "one_for_each", "prepare"]


def prepare(optimizer: Any, cohort: Any, auto_scale_loss: bool) -> keras.optimizers.Optimizer:
    """The optimizer of all students, or `StudentOptimizers`.

    Args:
      optimizer: one for all, its name, `{student: optimizer or its name}`, or `StudentOptimizers`.
        With `global_clipnorm`, one for all is copied for each student.
      cohort: the `Cohort` that is compiled.
      auto_scale_loss: whether those of students that compute in float16 get a loss scale.

    Raises:
      ValueError: when it would not train all of the cohort, or would train it wrongly.
    """
    if isinstance(optimizer, StudentOptimizers):
        return _of_each(optimizer.by_student, cohort, auto_scale_loss, optimizer.rates)
    if isinstance(optimizer, dict) and not _is_configuration(optimizer):
        return _of_each(optimizer, cohort, auto_scale_loss)
    optimizer, students = _found(optimizer, "optimizer"), cohort.students
    if len(students) > 1 and not cohort.may_share_layers:
        # Before it is built on variables of another strategy, which TensorFlow refuses.
        checks.check_scope(optimizer, cohort.distribute_strategy)
        checks.check_clips_apart(optimizer, cohort.trainable_variables, students)
        if clips_by_global_norm(optimizer):
            fix = (
                "expected one optimizer for all; got one with global_clipnorm, which is copied for "
                "each student: leave that out"
            )
            checks.check_owned(cohort.trainable_variables, students, fix)
            return _of_each(one_for_each(optimizer, students), cohort, auto_scale_loss)
    return with_loss_scale(optimizer, students.values()) if auto_scale_loss else optimizer


def _of_each(given, cohort, auto_scale_loss, rates=None):
    """`StudentOptimizers`, of `{student: optimizer}`."""
    found = by_student(given, cohort.students)
    checks.check_owned(cohort.trainable_variables, cohort.students)
    if auto_scale_loss:
        found = {
            name: with_loss_scale(each, [cohort.students[name]]) for name, each in found.items()
        }
    return StudentOptimizers(found, rates=rates)


def by_student(
    optimizers: Mapping[str, keras.optimizers.Optimizer | str], students: Iterable[str]
) -> dict[str, keras.optimizers.Optimizer]:
    """`{student: optimizer}` in the students' order, names of optimizers looked up.

    Args:
      optimizers: `{student: optimizer, or its name}`.
      students: names, in order.

    Raises:
      ValueError: when the keys are not the students' names, or two students share one object.
    """
    if set(optimizers) != set(students):
        raise ValueError(
            f"optimizer must be one for all, or a dict with one for each of {sorted(students)}; "
            f"got keys {sorted(optimizers)}"
        )
    found = {name: _found(optimizers[name], f"optimizer of {name!r}") for name in students}
    objects = [id(part) for each in found.values() for part in parts(each)]
    if len(set(objects)) < len(objects):
        raise ValueError(
            "two students share one optimizer object, which can be built only once: "
            "give each its own, or pass the optimizer itself instead of a dict"
        )
    return found


def _is_configuration(given):
    """Whether a dict is what `keras.optimizers.serialize` gives, as Keras takes it, too."""
    return {"class_name", "config"} <= set(given)


def _found(identifier, what):
    if identifier is None:
        raise ValueError(
            f"{what}: expected a keras.optimizers.Optimizer or the name of one, such as 'adam'; got None"
        )
    return keras.optimizers.get(identifier)


def one_for_each(
    optimizer: keras.optimizers.Optimizer, students: Iterable[str]
) -> dict[str, keras.optimizers.Optimizer]:
    """Copies of an optimizer that is not built yet, one for each student.

    Its class and that of its schedule need not be registered with Keras.
    """
    found = {name: _copy(optimizer) for name in students}
    for name, each in found.items():
        each.name = f"{optimizer.name}_{name}"
    return found


def _copy(optimizer):
    config = optimizer.get_config()
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        config["inner_optimizer"] = _copy(optimizer.inner_optimizer)
        copy = type(optimizer)(**config)
    else:
        # A schedule itself, which has no state: Keras finds its class only where it is registered.
        if callable(optimizer._learning_rate):
            config["learning_rate"] = optimizer._learning_rate
        copy = type(optimizer).from_config(config)
    # What `exclude_from_weight_decay` was told, which is in no configuration.
    for key in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(optimizer, key):
            setattr(copy, key, getattr(optimizer, key))
    return copy
