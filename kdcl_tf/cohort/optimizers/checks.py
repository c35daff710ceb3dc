"""Which optimizers a cohort refuses: those that would not train it, or train it wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import keras
import tensorflow as tf

from kdcl_tf.cohort.optimizers.parts import inner, parts

__all__ = ["check_clips_apart", "check_known", "check_owned", "check_scope"]


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
