"""The optimizers of a cohort's students as one optimizer, for Keras and its callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kdcl_tf.cohort import hyperparameters
from kdcl_tf.cohort.optimizers.parts import exclude_from_weight_decay, inner, parts

__all__ = ["StudentOptimizers"]


@keras.saving.register_keras_serializable(package="kdcl_tf")
class StudentOptimizers(keras.optimizers.Optimizer):
    """One optimizer for each student, which Keras and its callbacks see as one optimizer.

    Its learning rate is that of the first student; to set it is to multiply the rates of all
    students by the same number.  Where the first's is 0, the others keep the ratios to it that they
    had before, so that a warm-up may begin at 0.  A schedule can be set where all have one rate, or
    a schedule.  Its moving averages are those of all optimizers with `use_ema`.  It has no variables of
    its own.

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
    def learning_rate(self, value: Any) -> None:
        rates = self.rates
        without = [name for name, _ in self._pairs if name not in rates]
        if without:
            raise ValueError(
                "expected a learning rate of each student's optimizer; got none of that of "
                f"{', '.join(without)}: set those of student_optimizers[name].optimizers one by one"
            )
        if callable(value):
            self._follow(value, rates)
            return
        scheduled = [name for name, each in self._pairs if callable(inner(each)._learning_rate)]
        if scheduled:
            raise TypeError(
                "expected learning rates that can be set; got a schedule as that of "
                f"{', '.join(scheduled)}: give the optimizer a number, or set those of "
                "student_optimizers[name] one by one"
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

    def _follow(self, schedule, rates):
        """Gives all students one schedule, which has no ratio to those of others.

        The rates of schedules tell nothing but the steps that each student has made.
        """
        are_scheduled = all(callable(inner(each)._learning_rate) for _, each in self._pairs)
        if not are_scheduled and len(set(rates.values())) > 1:
            raise ValueError(
                f"expected students of one learning rate, as a schedule is the same for all; got {rates}: "
                "set student_optimizers[name].learning_rate one by one"
            )
        for _, each in self._pairs:
            each.learning_rate = schedule

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
                each.built = True  # As Keras does, whatever an optimizer's own `build` says.
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

    def exclude_from_weight_decay(
        self, var_list: Any = None, var_names: Sequence[str] | None = None
    ) -> None:
        """As of every Keras optimizer, for those of all students.

        Args:
          var_list: the variables that do not decay.
          var_names: patterns of the names of others.
        """
        for _, each in self._pairs:
            exclude_from_weight_decay(each, var_list, var_names)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Ends a training: students whose optimizers have `use_ema` get their averages.

        Args:
          var_list: what was trained; other weights stay as they are.
        """
        for _, each in self._pairs:
            for part in parts(each):
                known = set(map(part._var_key, part._trainable_variables))
                own = [variable for variable in var_list if part._var_key(variable) in known]
                # Keras pairs variables and averages by their places, whosever they are.
                if own:
                    part.finalize_variable_values(own)

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
