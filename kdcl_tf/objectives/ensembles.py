"""The ensembles of KDCL as serializable objects: how a cohort makes its soft target.

The mathematics is in `targets`; an `Ensemble` adds what outlives a step: a name, a
configuration, and for `General` its weights.
"""

import keras
import tensorflow as tf

from kdcl_tf.objectives import simplex, targets

__all__ = ["Ensemble", "General", "Linear", "MinLogit", "Naive", "get"]


class Ensemble(keras.layers.Layer):
    """Makes one soft target of the students' logits and the labels.

    A subclass overrides `soft_target`.  It is a layer so that what it remembers is saved
    and restored with the cohort.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.built = True

    def connect(self, num_students):
        """Creates what depends on the number of students; the cohort calls it once."""

    def soft_target(self, logits, labels, temperature):
        """`[B, C]` probabilities from `[M, B, C]` logits and `[B]` or `[B, C]` labels."""
        raise TypeError(f"{type(self).__name__} must override soft_target")

    def average(self, logits):
        """`[B, C]`: the ensemble that needs no label, the mean of the probabilities."""
        return tf.reduce_mean(tf.nn.softmax(logits), axis=0)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class Naive(Ensemble):
    """KDCL-Naive: the logits of the best student, example by example (Eq. 4)."""

    def soft_target(self, logits, labels, temperature):
        return targets.naive(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class Linear(Ensemble):
    """KDCL-Linear: the best convex combination of logits, example by example (Eq. 5)."""

    def soft_target(self, logits, labels, temperature):
        return targets.linear(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class MinLogit(Ensemble):
    """KDCL-MinLogit: the least of the shifted logits, element by element (Eqs. 6-7)."""

    def soft_target(self, logits, labels, temperature):
        return targets.min_logit(logits, labels, temperature)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class General(Ensemble):
    """KDCL-General: probabilities averaged with weights fitted to held-out images.

    The weights are 1/M until `renew` is called, which `callbacks.GeneralWeights` and
    `kdcl-train` do after every epoch (Eqs. 8-11).

    Args:
      error: `"vector"` measures the whole probability vector against the one-hot label;
        `"target"` is Eq. 8 to the letter, the probability of the true class against 1.
        The letter makes every error one sign, so that one student tends to get all the
        weight: on CIFAR-100 (ResNet-20 + WRN-16-2, 45 images a class, one seed) it gained
        2.4 + 0.2 points over vanilla with weights [0, 1] in every epoch, and the vector
        3.4 + 1.3 with weights near [0.3, 0.7].
      constraint: `"simplex"` keeps the paper's `w in [0, 1]`; `"none"` is Eq. 11 as
        printed, whose negative weights can make negative probabilities: those are cut
        at 0 and the rest scaled to 1.
      ridge: adds `ridge * mean(diag(C))` to the diagonal of C, >= 0.
    """

    def __init__(self, error="vector", constraint="simplex", ridge=0.0, **kwargs):
        super().__init__(**kwargs)
        if error not in ("vector", "target"):
            raise ValueError(f"error must be 'vector' or 'target'; got {error!r}")
        if constraint not in ("simplex", "none"):
            raise ValueError(f"constraint must be 'simplex' or 'none'; got {constraint!r}")
        if not ridge >= 0:  # Refuses NaN too.
            raise ValueError(f"ridge must be >= 0; got {ridge}")
        self.error, self.constraint, self.ridge = error, constraint, float(ridge)
        self.student_weights = None

    def connect(self, num_students):
        if self.student_weights is not None:
            if self.student_weights.shape[0] == num_students:
                return
            raise ValueError(
                f"this General ensemble already belongs to {self.student_weights.shape[0]} "
                f"students; give the cohort of {num_students} one of its own"
            )
        self.student_weights = self.add_weight(
            shape=(num_students,),
            initializer=keras.initializers.Constant(1.0 / num_students),
            trainable=False,
            autocast=False,
            name="student_weights",
        )

    def soft_target(self, logits, labels, temperature):
        return self._valid(targets.general(logits, self.student_weights.value, temperature))

    def average(self, logits):
        return targets.general(logits, self.student_weights.value)

    def errors(self, logits, labels):
        """`f - t` at temperature 1: `[M, B, C]`, or `[M, B]` with `error="target"`."""
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        if self.error == "vector":
            return probabilities - targets.dense_labels(labels, logits.shape[-1])
        return targets.target_logits(probabilities, labels) - 1.0

    def renew(self, matrix):
        """Sets the weights from the `[M, M]` matrix C of Eq. 10; returns them, `[M]`."""
        matrix = simplex.add_ridge(tf.cast(matrix, tf.float64), self.ridge)
        solve = {
            "simplex": simplex.minimise_quadratic,
            "none": simplex.unconstrained_quadratic,
        }[self.constraint]
        self.student_weights.assign(tf.cast(solve(matrix), tf.float32))
        return self.student_weights.numpy()

    def get_config(self):
        config = {"error": self.error, "constraint": self.constraint, "ridge": self.ridge}
        return {**super().get_config(), **config}

    def _valid(self, probabilities):
        if self.constraint == "simplex":
            return probabilities
        positive = tf.nn.relu(probabilities)
        return positive / tf.reduce_sum(positive, axis=-1, keepdims=True)


_BY_NAME = {"naive": Naive, "linear": Linear, "min_logit": MinLogit, "general": General}


def get(identifier):
    """An `Ensemble` from its name or from itself.

    Raises:
      ValueError: for anything else, with the names there are.
    """
    if isinstance(identifier, Ensemble):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    raise ValueError(
        f"unknown ensemble {identifier!r}: wanted one of {', '.join(_BY_NAME)}, or an "
        "Ensemble object"
    )
