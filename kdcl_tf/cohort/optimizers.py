"""The optimizers of a cohort: which variables each one trains, and the scope it is made in."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort import hyperparameters

__all__ = [
    "accept_fewer",
    "by_student",
    "check_clips_apart",
    "check_known",
    "check_owned",
    "check_scope",
    "clips_by_global_norm",
    "copy_weights",
    "has_slots",
    "inner",
    "one_for_each",
    "parts",
    "scale_apart",
    "scale_gradient",
    "with_loss_scale",
]


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
    found = {name: keras.optimizers.get(optimizers[name]) for name in students}
    objects = [id(part) for each in found.values() for part in parts(each)]
    if len(set(objects)) < len(objects):
        raise ValueError(
            "two students share one optimizer object, which can be built only once: "
            "give each its own, or pass the optimizer itself instead of a dict"
        )
    return found


def check_owned(
    variables: Iterable[keras.Variable],
    students: Mapping[str, keras.Model],
    fix: str = "expected one optimizer for all; got one for each student",
) -> None:
    """Refuses variables of no student: what is made for each student would not train them.

    Args:
      variables: what is to be trained.
      students: `{name: student}`.
      fix: what was expected, or what to do, for the message.

    Raises:
      ValueError: naming the first.
    """
    owned = {id(each) for student in students.values() for each in student.variables}
    for variable in variables:
        if id(variable) not in owned:
            raise ValueError(f"the variable {variable.path} belongs to no student: {fix}")


def check_known(optimizer: keras.optimizers.Optimizer, variables: Iterable[keras.Variable]) -> None:
    """Refuses variables that an optimizer was not built on, and so cannot train.

    A built one that knows of no variable, as its own `build` hands them on to another optimizer,
    passes.

    Raises:
      ValueError: naming the first.
    """
    key = optimizer._var_key
    known = set(map(key, inner(optimizer)._trainable_variables))
    if optimizer.built and not known:
        return
    for variable in variables:
        if key(variable) not in known:
            raise ValueError(
                f"the optimizer was not built for the variable {variable.path}: expected all layers "
                "to be built, and those that are trained to be trainable, before compile; got one "
                "that was not: compile again, with a new optimizer"
            )


def check_scope(optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy) -> None:
    """Refuses an optimizer that was made outside the scope of the cohort's strategy.

    All replicas would share its variables: each would count every step, and a schedule would
    run as many times too fast.

    Raises:
      ValueError: when it was.
    """
    # Not `iterations`, which is no variable where the optimizer accumulates gradients.
    first = [each.variables[0].value for each in (optimizer, *parts(optimizer))]
    if not all(map(strategy.extended.variable_created_in_scope, first)):
        raise ValueError(
            "the optimizer was made outside the scope of the cohort's strategy: make it, "
            "and compile, inside `with strategy.scope():`"
        )


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
        return type(optimizer)(**config)
    # A schedule itself, which has no state: Keras finds its class only where it is registered.
    if callable(optimizer._learning_rate):
        config["learning_rate"] = optimizer._learning_rate
    copy = type(optimizer).from_config(config)
    # What `exclude_from_weight_decay` was told, which is in no configuration.
    for key in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(optimizer, key):
            setattr(copy, key, getattr(optimizer, key))
    return copy


def has_slots(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether a built optimizer keeps more than its steps and its rate, such as momenta."""
    own = ("iteration", "learning_rate")
    return any(each.name not in own for each in inner(optimizer).variables)


def clips_by_global_norm(optimizer: Any) -> bool:
    """Whether the norm of all gradients together decides how far each is clipped."""
    return getattr(inner(optimizer), "global_clipnorm", None) is not None


def check_clips_apart(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    students: Mapping[str, keras.Model],
) -> None:
    """Refuses a `MultiOptimizer` in which one optimizer clips several students by a common norm.

    Args:
      optimizer: for all students; one that is none, or clips nothing, passes.
      variables: that it is to train; it is built on them, since only then all its parts are known.
      students: `{name: student}`.

    Raises:
      ValueError: naming the students.
    """
    divided = inner(optimizer)
    if not hasattr(divided, "optimizers"):
        return
    if not divided.built:
        divided.build(variables)
    owners = {id(each): name for name, own in students.items() for each in own.variables}
    for part in parts(divided):
        if part.global_clipnorm is None or not part.built:
            continue
        together = {owners.get(id(each), "none") for each in part._trainable_variables}
        if len(together) > 1:
            raise ValueError(
                "expected global_clipnorm of one student's gradients; got a MultiOptimizer in which "
                f"{part.name} clips those of {', '.join(sorted(together))} together: pass "
                "{student: MultiOptimizer}, with optimizers of each student's own"
            )


def accept_fewer(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes a `MultiOptimizer` take gradients of fewer variables than it was built on.

    Keras's wants one for each, and a layer may have been frozen since.

    Args:
      optimizer: of any kind, which may have a loss scale.
    """
    divided = inner(optimizer)
    if hasattr(divided, "optimizers"):
        divided.apply = functools.partial(_apply_parts, divided)


def _apply_parts(divided, grads, trainable_variables=None):
    """`MultiOptimizer.apply`, with its arguments, of some of the variables."""
    if trainable_variables is None or len(grads) == len(divided._trainable_variables):
        return type(divided).apply(divided, grads, trainable_variables)
    places = [divided._var_to_optimizer_idx[divided._var_key(each)] for each in trainable_variables]
    for index, part in enumerate(divided.optimizers):
        pairs = zip(places, grads, trainable_variables)
        own = [pair for place, *pair in pairs if place == index]
        if own:
            part.apply([gradient for gradient, _ in own], [variable for _, variable in own])
    divided._iterations.assign_add(1)


def copy_weights(optimizer: keras.optimizers.Optimizer) -> None:
    """Gives one that keeps a copy of the weights, and has made no step, those of now.

    Keras builds optimizers when training begins, and a cohort when it is compiled: weights may
    have been set in between, which the first step would undo.
    """
    for part in parts(optimizer):
        if (
            isinstance(part, _COPYING)
            and part.built
            and not hyperparameters.number(part.iterations)
        ):
            for copy, variable in zip(part._momentums, part._trainable_variables, strict=True):
                if copy is not None:
                    copy.assign(variable.value)


# Keras's optimizers whose first momentum is a copy of the weights.
_COPYING = tuple(
    getattr(keras.optimizers, name)
    for name in ("ScheduleFreeAdamW",)
    if hasattr(keras.optimizers, name)
)


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, students: Iterable[keras.Model]
) -> keras.optimizers.Optimizer:
    """The optimizer, with a dynamic loss scale where a student computes in float16.

    Keras's own `compile` looks at the policy of the model alone, and students have policies of
    their own.
    """
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if is_scaled or not any(_computes_in_float16(each) for each in students):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, name=f"loss_scale_{optimizer.name}")


def scale_apart(optimizer: Any) -> bool:
    """Whether students have optimizers of their own, and one of these has a loss scale.

    Args:
      optimizer: one for all students, or `StudentOptimizers`, or None.
    """
    return any(
        isinstance(each, keras.optimizers.LossScaleOptimizer) or each.loss_scale_factor is not None
        for each in getattr(optimizer, "by_student", {}).values()
    )


def scale_gradient(tensor: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """The tensor itself, whose gradient goes on `scale` times as large."""
    return tf.custom_gradient(lambda x: (tf.identity(x), lambda gradient: gradient * scale))(tensor)


def with_common_overflow(
    optimizer: keras.optimizers.Optimizer, gradients: list[tf.Tensor | None]
) -> list[tf.Tensor | None]:
    """A replica's gradients, which are NaN where those of any replica are not finite.

    A `LossScaleOptimizer` leaves out a step that overflowed, which Keras decides by the first
    replica's gradients alone: an overflow on another one would be summed into all weights.

    Args:
      optimizer: that gets the gradients; without a loss scale they stay as they are.
      gradients: one for each variable, None where the loss does not depend on it.
    """
    replica = tf.distribute.get_replica_context()
    is_scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if not is_scaled or replica is None or replica.num_replicas_in_sync == 1:
        return gradients
    dense = [None if each is None else tf.convert_to_tensor(each) for each in gradients]
    finite = [tf.reduce_all(tf.math.is_finite(each)) for each in dense if each is not None]
    if not finite:
        return gradients  # Keras says that there are none.
    overflows = tf.cast(~tf.reduce_all(tf.stack(finite)), tf.float32)
    overflows = replica.all_reduce(tf.distribute.ReduceOp.SUM, overflows)
    return [
        None if each is None else tf.where(overflows > 0, tf.constant(math.nan, each.dtype), each)
        for each in dense
    ]


def _computes_in_float16(student):
    return any(each.compute_dtype == "float16" for each in student._flatten_layers())


def parts(optimizer: Any) -> list[keras.optimizers.Optimizer]:
    """The optimizers that one consists of, without loss scales: itself, or a `MultiOptimizer`'s.

    Of a `MultiOptimizer` that chooses them by a function, those that it has asked for when it was
    built.
    """
    found = inner(optimizer)
    return list(getattr(found, "optimizers", [found]))


def inner(optimizer):
    """The optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)
