"""What optimizers of a cohort must be: one a student where there are several, and in scope."""

import keras

__all__ = ["by_student", "check_scope"]


def by_student(optimizers, students):
    """`{student: optimizer}` in the students' order, names of optimizers looked up.

    Args:
      optimizers: `{student: optimizer, or its name}`.
      students: names, in order.

    Raises:
      ValueError: when the names are others, or two students share one object.
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


def check_scope(optimizer, strategy):
    """Refuses an optimizer that was made outside the scope of the cohort's strategy.

    Its variables would be one for all replicas: each would count every step, and a schedule
    would run as many times too fast.

    Raises:
      ValueError: when it was.
    """
    if not strategy.extended.variable_created_in_scope(optimizer.iterations.value):
        raise ValueError(
            "the optimizer was made outside the scope of the cohort's strategy: make it, "
            "and compile, inside `with strategy.scope():`"
        )
