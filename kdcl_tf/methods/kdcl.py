"""KDCL: every student learns from one ensemble of them all."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import ensembles, losses, targets

__all__ = ["KDCL", "NoHeldOutError"]


class NoHeldOutError(ValueError):
    """There are no held-out images to fit General's weights to."""


@keras.saving.register_keras_serializable(package="kdcl_tf")
class KDCL(Cohort):
    """Knowledge distillation via collaborative learning (Guo et al., CVPR 2020, Eq. 2).

    Args:
      students: `{name: keras.Model}`, see `Cohort`.
      ensemble: `"naive"`, `"linear"`, `"min_logit"`, `"general"`, or an `Ensemble`.
      temperature: T, 2 in the paper's CIFAR experiments.
      distillation_weight: lambda, 1 in the paper.
    """

    def __init__(
        self,
        students: dict[str, keras.Model],
        ensemble: str | ensembles.Ensemble = "min_logit",
        temperature: float = 2.0,
        distillation_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        self.ensemble = ensembles.get(ensemble)
        self.ensemble.connect(len(self.students))
        self._measure = tf.function(self.error_sums, reduce_retracing=True, autograph=False)

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        soft = self.ensemble.soft_target(logits, labels, self.temperature)
        return tf.stack(
            [losses.distillation(soft, each, self.temperature) for each in tf.unstack(logits)]
        )

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        return self.ensemble.average(logits)

    def renew_ensemble(
        self,
        held_out: Iterable,
        measure: Callable[[Any], tuple[tf.Tensor, tf.Tensor]] | None = None,
    ) -> dict[str, float]:
        """Fits the weights of a `General` ensemble to held-out images.

        Args:
          held_out: an iterable of `(images or {name: view}, labels)` batches, undistorted
            and not trained on.
          measure: maps a batch to its `error_sums`, summed over all replicas; without it
            each batch is measured on this device alone.

        Returns:
          `{name: weight}`.

        Raises:
          NoHeldOutError: when `held_out` has no examples.
          ValueError: when the ensemble has no weights.
        """
        if not isinstance(self.ensemble, ensembles.General):
            raise ValueError(
                "expected a General ensemble; got "
                f"{type(self.ensemble).__name__}, which has no weights to renew"
            )
        measure, total, examples = measure or self._measure, 0.0, 0.0
        for batch in held_out:
            matrix, count = measure(batch)
            total, examples = total + matrix, examples + count
        if not examples:
            raise NoHeldOutError("expected held-out images to fit General's weights to; got none")
        weights = self.ensemble.renew(total / examples)
        return {name: float(weight) for name, weight in zip(self.students, weights)}

    def error_sums(self, batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums over a batch, or a replica's part of one, that `renew_ensemble` adds up.

        Args:
          batch: `(images or {name: view}, labels)`.

        Returns:
          `[M, M]`, C of Eq. 10 times the number of examples, and that number; float64.
        """
        inputs, labels = batch
        errors = self.ensemble.errors(self.forward(self.views(inputs)), labels)
        examples = tf.cast(tf.shape(labels)[0], tf.float64)
        return targets.error_matrix(errors) * examples, examples

    def get_config(self) -> dict[str, Any]:
        ensemble = keras.saving.serialize_keras_object(self.ensemble)
        return {**super().get_config(), "ensemble": ensemble}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        ensemble = keras.saving.deserialize_keras_object(config["ensemble"], custom_objects)
        return super().from_config({**config, "ensemble": ensemble}, custom_objects)
