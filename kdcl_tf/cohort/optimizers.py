"""The optimizers of a cohort: which variables each one trains, and the scope it is made in."""

from collections.abc import Iterable, Mapping

import keras
import tensorflow as tf

__all__ = ["by_student", "check_owned", "check_scope"]


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
    if len({id(each) for each in found.values()}) < len(found):
        raise ValueError(
            "two students share one optimizer object, which can be built only once: "
            "give each its own, or pass the optimizer itself instead of a dict"
        )
    return found


def check_owned(variables: Iterable[keras.Variable], students: Mapping[str, keras.Model]) -> None:
    """Refuses variables of no student: an optimizer for each student would not train them.

    Raises:
      ValueError: naming the first.
    """
    owned = {id(each) for student in students.values() for each in student.variables}
    for variable in variables:
        if id(variable) not in owned:
            raise ValueError(
                f"the variable {variable.path} belongs to no student: expected one optimizer for "
                "all; got one for each student"
            )


def check_scope(
    optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy
) -> None:
    """Refuses an optimizer that was made outside the scope of the cohort's strategy.

    All replicas would share its variables: each would count every step, and a schedule would
    run as many times too fast.

    Raises:
      ValueError: when it was.
    """
    if not strategy.extended.variable_created_in_scope(optimizer.iterations.value):
        raise ValueError(
            "the optimizer was made outside the scope of the cohort's strategy: make it, "
            "and compile, inside `with strategy.scope():`"
        )
