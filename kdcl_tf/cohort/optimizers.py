"""The optimizers of a cohort: which variables each one trains, and the scope it is made in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort import hyperparameters

__all__ = [
    "StudentOptimizers",
    "by_student",
    "check_clips_apart",
    "check_owned",
    "check_scope",
    "clips_by_global_norm",
    "copy_weights",
    "has_slots",
    "one_for_each",
    "parts",
    "with_loss_scale",
]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class StudentOptimizers(keras.optimizers.Optimizer):
    """One optimizer for each student, which Keras and its callbacks see as one optimizer.

    Its learning rate is that of the first student; to set it is to multiply the rates of all
    students by the same number.  Where the first's is 0, the others keep the ratios to it that they
    had before, so that a warm-up may begin at 0.  Its moving averages are those of all optimizers
    with `use_ema`.  It has no variables of its own.

    Args:
      optimizers: `{student: optimizer}`, in the order of the students.
      name: of this one.
      rates: `{student: learning rate}`, whose ratios count while the first student's rate is 0; by
        default those of the optimizers.
    """

    def __init__(
        self,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        name: str = "student_optimizers",
        rates: Mapping[str, float] | None = None,
    ):
        super().__init__(learning_rate=0.0, name=name)
        # Pairs, which Keras does not take for something to save, see `by_name`.
        self._pairs = tuple(optimizers.items())
        self.use_ema = any(each.use_ema for own in optimizers.values() for each in parts(own))
        self._rates = tuple((rates or {}).items())
        self._rates = tuple(self.rates.items())

    @property
    def by_name(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers in the order of the students' names, in which Keras saves them."""
        return [each for _, each in sorted(self._pairs)]

    @property
    def by_student(self) -> dict[str, keras.optimizers.Optimizer]:
        """`{student: optimizer}`, in the order of the students."""
        return dict(self._pairs)

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of all optimizers."""
        return [variable for _, each in self._pairs for variable in each.variables]

    @property
    def iterations(self) -> Any:
        """The steps of the first student's optimizer."""
        return self._pairs[0][1].iterations

    @property
    def learning_rate(self) -> Any:
        """That of the first student's optimizer."""
        return self._pairs[0][1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        rates = self.rates
        without = [name for name, _ in self._pairs if name not in rates]
        if without:
            raise ValueError(
                "expected a learning rate of each student's optimizer; got none of that of "
                f"{', '.join(without)}: set those of student_optimizers[name].optimizers one by one"
            )
        first = rates[self._pairs[0][0]]
        if not first and any(rates.values()):
            raise ValueError(
                "expected a first student's learning rate other than 0, by which those of all are "
                f"scaled; got {rates}: give it the rate that it is to have, and let a callback set 0"
            )
        self._rates = tuple(rates.items())
        for name, each in self._pairs:
            each.learning_rate = value * (rates[name] / first) if first else value

    @property
    def rates(self) -> dict[str, float]:
        """`{student: learning rate}`, the last of which the first student's was not 0.

        Without those of a `MultiOptimizer`, which has several.
        """
        now = {
            name: hyperparameters.number(each.learning_rate)
            for name, each in self._pairs
            if hasattr(each, "learning_rate")
        }
        return now if now.get(self._pairs[0][0], True) else dict(self._rates) or now

    def build(self, variables: Sequence[Sequence[keras.Variable]]) -> None:
        """Builds each student's optimizer.

        Args:
          variables: the trainable ones of each student, in the order of the students.
        """
        averaged, averages = [], []
        for (_, each), own in zip(self._pairs, variables):
            if own and not each.built:
                each.build(own)
            for part in parts(each) if own else []:
                if part.use_ema and part.built:
                    averaged += part._trainable_variables
                    averages += part._model_variables_moving_average
        # Where Keras's SwapEMAWeights looks for them.
        self._trainable_variables = averaged
        # Of a `MultiOptimizer` it may be known only now.
        self.use_ema = self.use_ema or bool(averages)
        if self.use_ema:
            self._model_variables_moving_average = averages
        self.built = True

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Refused: a cohort applies each student's gradients by that student's optimizer."""
        raise TypeError(
            "the optimizers of a cohort's students are applied one by one: expected "
            "cohort.train_step, or an optimizer of optimizer.by_student"
        )

    def finalize_variable_values(self, var_list: Any) -> None:
        """Ends a training: students whose optimizers have `use_ema` get their averages."""
        for _, each in self._pairs:
            if each.built:
                each.finalize_variable_values(_inner(each)._trainable_variables)

    def save_own_variables(self, store: Any) -> None:
        """Nothing: each optimizer saves its own."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing: each optimizer loads its own."""

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizers": keras.saving.serialize_keras_object(self.by_student),
            "name": self.name,
            "rates": self.rates,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> StudentOptimizers:
        found = keras.saving.deserialize_keras_object(config["optimizers"], custom_objects)
        return cls(**{**config, "optimizers": found})


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
    given: str = "one for each student",
) -> None:
    """Refuses variables of no student: an optimizer for each student would not train them.

    Args:
      variables: what is to be trained.
      students: `{name: student}`.
      given: the optimizer or optimizers, for the message.

    Raises:
      ValueError: naming the first.
    """
    owned = {id(each) for student in students.values() for each in student.variables}
    for variable in variables:
        if id(variable) not in owned:
            raise ValueError(
                f"the variable {variable.path} belongs to no student: expected one optimizer for "
                f"all; got {given}"
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
    return any(each.name not in own for each in _inner(optimizer).variables)


def clips_by_global_norm(optimizer: Any) -> bool:
    """Whether the norm of all gradients together decides how far each is clipped."""
    return getattr(_inner(optimizer), "global_clipnorm", None) is not None


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
    divided = _inner(optimizer)
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
    inner = _inner(optimizer)
    return list(getattr(inner, "optimizers", [inner]))


def _inner(optimizer):
    """The optimizer inside a `LossScaleOptimizer`, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)
