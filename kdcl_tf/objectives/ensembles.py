"""The ensembles of KDCL as serializable objects: how a cohort makes its soft target.

The mathematics is in `targets`.  An `Ensemble` adds what is kept between steps and saved: a
name, a configuration, and for `General` its weights.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.objectives import names, simplex, targets
from kdcl_tf.objectives.names import ENSEMBLES

# In the store of General's own variables.
_NAMES = "students"

__all__ = ["Ensemble", "General", "Linear", "MinLogit", "Naive", "get"]


class Ensemble(keras.layers.Layer):
    """Makes one soft target of the students' logits and the labels.

    A subclass overrides `soft_target`.  An ensemble is a layer so that its weights are saved
    and restored with the cohort.

    Attributes:
      student_names: of the cohort, in order, which sets them once `connect` has taken it; None
        without a cohort.
    """

    student_names: tuple[str, ...] | None = None

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.built = True

    def connect(self, num_students: int) -> None:
        """Creates the weights whose shape depends on the number of students.

        The cohort calls it when it is made.
        """

    def soft_target(self, logits: tf.Tensor, labels: tf.Tensor, temperature: float) -> tf.Tensor:
        """The probabilities that all students of a batch learn from, softened.

        Args:
          logits: `[M, B, C]`, unnormalised.
          labels: `[B]` classes or `[B, C]` probabilities.
          temperature: T, > 0.

        Returns:
          `[B, C]` float32.
        """
        raise TypeError(f"{type(self).__name__} must override soft_target")

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        """`[B, C]`: the ensemble as it predicts, without labels: the mean of probabilities.

        Of `General` it is their weighted sum, whose numbers may be below 0 where weights are.
        """
        return tf.reduce_mean(tf.nn.softmax(logits), axis=0)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class Naive(Ensemble):
    """KDCL-Naive: the logits of the best student, example by example (Eq. 4)."""

    def soft_target(self, logits: tf.Tensor, labels: tf.Tensor, temperature: float) -> tf.Tensor:
        return targets.naive(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class Linear(Ensemble):
    """KDCL-Linear: the best convex combination of logits, example by example (Eq. 5)."""

    def soft_target(self, logits: tf.Tensor, labels: tf.Tensor, temperature: float) -> tf.Tensor:
        return targets.linear(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class MinLogit(Ensemble):
    """KDCL-MinLogit: the least of the shifted logits, element by element (Eqs. 6-7)."""

    def soft_target(self, logits: tf.Tensor, labels: tf.Tensor, temperature: float) -> tf.Tensor:
        return targets.min_logit(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class General(Ensemble):
    """KDCL-General: probabilities averaged with weights fitted to held-out images.

    The weights are 1/M until `renew` is called, which `callbacks.GeneralWeights` and
    `kdcl-train` do after every epoch (Eqs. 8-11).

    Args:
      error: `"vector"` measures the whole probability vector against the one-hot label;
        `"target"` is Eq. 8 to the letter, the probability of the true class against 1.
        With the letter all errors have the same sign, so that one student tends to get all
        the weight.
      constraint: `"simplex"` keeps the paper's `w in [0, 1]`; `"none"` is Eq. 11 as
        printed, whose negative weights can make negative probabilities: those are cut
        at 0 and the rest scaled to 1.  `"equal"` keeps 1/M whatever the errors, the mean of
        the probabilities, to tell what fitting the weights is worth.
      ridge: adds `ridge * mean(diag(C))` to the diagonal of C, >= 0.
    """

    def __init__(
        self,
        error: str = "vector",
        constraint: str = "simplex",
        ridge: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if error not in ("vector", "target"):
            raise ValueError(f"error must be 'vector' or 'target'; got {error!r}")
        if constraint not in ("simplex", "none", "equal"):
            raise ValueError(f"constraint must be 'simplex', 'none' or 'equal'; got {constraint!r}")
        if not ridge >= 0:  # Refuses NaN too.
            raise ValueError(f"ridge must be >= 0; got {ridge}")
        self.error, self.constraint, self.ridge = error, constraint, float(ridge)
        self.student_weights: Any = None

    def connect(self, num_students: int) -> None:
        self.student_weights = self.add_weight(
            shape=(num_students,),
            initializer=keras.initializers.Constant(1.0 / num_students),
            trainable=False,
            autocast=False,
            name="student_weights",
        )

    def soft_target(self, logits: tf.Tensor, labels: tf.Tensor, temperature: float) -> tf.Tensor:
        return self._valid(targets.general(logits, self.student_weights.value, temperature))

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        return targets.general(logits, self.student_weights.value)

    def errors(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """`f - t` at temperature 1: `[M, B, C]`, or `[M, B]` with `error="target"`."""
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        if self.error == "vector":
            return probabilities - targets.dense_labels(labels, logits.shape[-1])
        return targets.target_logits(probabilities, labels) - 1.0

    def renew(self, matrix: tf.Tensor) -> np.ndarray:
        """Sets the weights from the `[M, M]` matrix C of Eq. 10; returns them, `[M]`."""
        matrix = simplex.add_ridge(tf.cast(matrix, tf.float64), self.ridge)
        solve = {
            "simplex": simplex.minimise_quadratic,
            "none": simplex.unconstrained_quadratic,
            "equal": _equal_weights,
        }[self.constraint]
        self.student_weights.assign(tf.cast(solve(matrix), tf.float32))
        return self.student_weights.numpy()

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights, and the names of the students that they belong to."""
        super().save_own_variables(store)
        if self.student_names:
            store[_NAMES] = names.as_array(self.student_names)

    def load_own_variables(self, store: Any) -> None:
        """Loads what `save_own_variables` saved, each student's weight by its name."""
        own = {key: store[key] for key in store.keys()}
        saved = own.pop(_NAMES, None)
        super().load_own_variables(own)
        # Weights were once saved without names, in the order of the students.
        if saved is not None and self.student_names:
            weights = dict(zip(names.from_array(saved), self.student_weights.numpy(), strict=True))
            self.student_weights.assign([weights[name] for name in self.student_names])

    def get_config(self) -> dict[str, Any]:
        config = {"error": self.error, "constraint": self.constraint, "ridge": self.ridge}
        return {**super().get_config(), **config}

    def _valid(self, probabilities):
        if self.constraint != "none":
            return probabilities
        positive = tf.nn.relu(probabilities)
        return positive / tf.reduce_sum(positive, axis=-1, keepdims=True)


def _equal_weights(matrix):
    count = matrix.shape[0]
    return tf.fill([count], tf.constant(1.0 / count, matrix.dtype))


_BY_NAME = dict(zip(ENSEMBLES, (Naive, Linear, MinLogit, General), strict=True))


def get(identifier: str | Ensemble) -> Ensemble:
    """The ensemble of a name, one of `names.ENSEMBLES`; an `Ensemble` is returned as it is.

    Raises:
      ValueError: for anything else.
    """
    if isinstance(identifier, Ensemble):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    raise ValueError(
        f"unknown ensemble: expected one of {', '.join(_BY_NAME)}, or an Ensemble object; got "
        f"{identifier!r}"
    )
